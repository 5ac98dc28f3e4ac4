"""The lists of parameters that a recipe acts on, each under a name of its own."""

from __future__ import annotations

from collections.abc import Sequence

from bridle.acting import selected
from bridle.exporting.knob_code import keywords
from bridle.exporting.network import Network, Spot
from bridle.exporting.script import Script
from bridle.places.declare import Placed


class Lists:
    """Names for the lists of parameters that have been asked for, and the lines that make them."""

    def __init__(self, network: Network, script: Script) -> None:
        self.network, self.script = network, script
        self.spots = network.spots
        self.named: dict[str, str] = {}  # by the code that makes it

    def groups(self, unit: Placed) -> list[tuple[str, str]]:
        """The parameters that a regularizer acts on, those with the same knobs together: (their list, the knobs)."""
        return [(self.name(spots), knobs) for knobs, spots in self.by_knobs(unit, self.chosen(unit)).items()]

    def by_knobs(self, unit: Placed, spots: Sequence[Spot]) -> dict[str, list[Spot]]:
        """Parameters by the knobs that a regularizer has there."""
        found: dict[str, list[Spot]] = {}
        for spot in spots:
            found.setdefault(keywords(self.script, unit, spot.described.names), []).append(spot)
        return found

    def chosen(self, unit: Placed) -> list[Spot]:
        """The parameters that a regularizer acts on."""
        names = {each.name for each in selected(unit, [spot.described for spot in self.spots])}
        return [spot for spot in self.spots if spot.described.name in names]

    def all_of(self, unit: Placed) -> str:
        """The name of the list of all parameters that a regularizer acts on."""
        return self.name(self.chosen(unit))

    def everything(self) -> str:
        """The name of the list of all parameters."""
        return self.name(self.spots)

    def name(self, spots: Sequence[Spot]) -> str:
        """The name of a list."""
        code, name = self.code(spots)
        if code not in self.named:
            alike = sum(each.partition("_")[0] == name for each in self.named.values())
            self.named[code] = f"{name}_{alike + 1}" if alike else name
        return self.named[code]

    def code(self, spots: Sequence[Spot]) -> tuple[str, str]:
        """The code that makes a list, and what it may be called: by what the parameters share, if that says it all."""
        chosen = {spot.code for spot in spots}
        if chosen == {spot.code for spot in self.spots}:
            return "list(model.parameters())", "parameters"
        if chosen == {spot.code for spot in self.spots if spot.axes > 1}:
            return "[w for w in model.parameters() if w.ndim > 1]", "matrices"
        if chosen == {spot.code for spot in self.spots if spot.axes < 2}:
            return "[w for w in model.parameters() if w.ndim < 2]", "vectors"
        if chosen == {spot.code for spot in self.spots if spot.code.endswith(".bias")}:
            return '[w for name, w in model.named_parameters() if name.endswith("bias")]', "biases"
        return f"[{', '.join(spot.code for spot in spots)}]", "selected"

    def lines(self) -> list[str]:
        """The lines that make all lists."""
        return [f"{name} = {code}" for code, name in self.named.items()]
