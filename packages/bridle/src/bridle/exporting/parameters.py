"""The lists of parameters that a recipe acts on, each under a name of its own."""

from __future__ import annotations

from collections.abc import Sequence

from bridle.exporting.knob_code import keywords
from bridle.exporting.module_tree import ParameterRef
from bridle.exporting.network import NetworkCode
from bridle.exporting.script import Script
from bridle.parameter_selection import matching_parameters
from bridle.places.base import Placed

__all__ = ["ParameterLists"]


class ParameterLists:
    """The lists of parameters that a script names, and the lines that make them."""

    def __init__(self, network: NetworkCode, script: Script) -> None:
        self.network, self.script = network, script
        self.refs = network.refs
        self.named: dict[str, str] = {}  # by the code that makes it

    def groups(self, unit: Placed) -> list[tuple[str, str]]:
        """Return the parameters that a regularizer acts on by their knobs there: (name of the list, the knobs)."""
        return [(self.name(refs), knobs) for knobs, refs in self.by_knobs(unit, self.chosen(unit)).items()]

    def by_knobs(self, unit: Placed, refs: Sequence[ParameterRef]) -> dict[str, list[ParameterRef]]:
        """Group parameters by the knobs that a regularizer has there."""
        found: dict[str, list[ParameterRef]] = {}
        for ref in refs:
            found.setdefault(keywords(self.script, unit, ref.described.names), []).append(ref)
        return found

    def chosen(self, unit: Placed) -> list[ParameterRef]:
        """Return the parameters that a regularizer acts on."""
        names = {each.name for each in matching_parameters(unit, [ref.described for ref in self.refs])}
        return [ref for ref in self.refs if ref.described.name in names]

    def all_of(self, unit: Placed) -> str:
        """Return the name of the list of all parameters that a regularizer acts on."""
        return self.name(self.chosen(unit))

    def everything(self) -> str:
        """Return the name of the list of all parameters."""
        return self.name(self.refs)

    def name(self, refs: Sequence[ParameterRef]) -> str:
        """Return the name of a list of parameters."""
        code, name = self.code(refs)
        if code not in self.named:
            alike = sum(each.partition("_")[0] == name for each in self.named.values())
            self.named[code] = f"{name}_{alike + 1}" if alike else name
        return self.named[code]

    def code(self, refs: Sequence[ParameterRef]) -> tuple[str, str]:
        """Return the code that makes a list, and a name for it: by what the parameters share, if that defines them."""
        chosen = {ref.code for ref in refs}
        if chosen == {ref.code for ref in self.refs}:
            return "list(model.parameters())", "parameters"
        if chosen == {ref.code for ref in self.refs if ref.axes > 1}:
            return "[w for w in model.parameters() if w.ndim > 1]", "matrices"
        if chosen == {ref.code for ref in self.refs if ref.axes < 2}:
            return "[w for w in model.parameters() if w.ndim < 2]", "vectors"
        if chosen == {ref.code for ref in self.refs if ref.code.endswith(".bias")}:
            return '[w for name, w in model.named_parameters() if name.endswith("bias")]', "biases"
        return f"[{', '.join(ref.code for ref in refs)}]", "selected"

    def lines(self) -> list[str]:
        """Return the lines that make all lists."""
        return [f"{name} = {code}" for code, name in self.named.items()]
