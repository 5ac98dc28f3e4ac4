"""Formulas that make a network's weights, registered with ``torch.nn.utils.parametrize``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bridle.exporting.module_tree import ParameterRef, PlacedUnit
from bridle.exporting.modules import constructor, define_weight_layer, is_per_output
from bridle.exporting.script import Script
from bridle.exporting.wrapping import indented
from bridle.parameter_selection import Parameter, matching_parameters
from bridle.places import WeightLayer

__all__ = ["ParametrizationCode"]


class ParametrizationCode:
    """The weight layers of a recipe by the parameters that they make; ``placed`` are all of them, in order."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.units: dict[ParameterRef, list[WeightLayer]] = {}
        self.placed: list[PlacedUnit] = []

    def add(self, unit: WeightLayer, refs: Sequence[ParameterRef]) -> None:
        """Let a formula act on those of the parameters that it selects."""
        define_weight_layer(self.script, unit)
        by_description = {ref.described: ref for ref in refs}
        for each in matching_parameters(unit, list(by_description)):
            ref = by_description[each]
            units = self.units.setdefault(ref, [])
            self.placed.append(PlacedUnit(unit, each.names, f"{parametrization_code(ref)}[{len(units)}]"))
            units.append(unit)

    def stored(self, ref: ParameterRef) -> Iterator[ParameterRef]:
        """Yield a parameter where it is stored, and the parameters of the formulas on it."""
        if ref not in self.units:
            yield ref
            return
        place = parametrization_code(ref)
        yield ref._replace(code=f"{place}.original")
        for number, unit in enumerate(self.units[ref]):
            for kind, start in unit.parameters.items():
                name = f"{ref.described.name}@{type(unit).__name__}.{kind}"
                learned = Parameter(name, 1, ref.described.layer)
                yield ParameterRef(learned, 1 if is_per_output(start) else 3, f"{place}[{number}].{kind}")

    def lines(self) -> list[str]:
        """Return the lines that register the formulas, those of layers with the same ones in one loop."""
        groups: dict[tuple[str, ...], list[str]] = {}
        for ref, units in self.units.items():
            owner, _, kind = ref.code.rpartition(".")
            made = [constructor(self.script, unit, ref.described.names, "w") for unit in units]
            groups.setdefault((kind, *made), []).append(owner)
        if not groups:
            return []
        lines = ["# Formulas make the weights that act (unsafe: without a trial run, which would draw noise)."]
        for (kind, *made), owners in groups.items():
            own = [f"w = layer.{kind}.detach()"] * any(re.search(r"\(w\b(?!=)", each) is not None for each in made)
            own += [f'parametrize.register_parametrization(layer, "{kind}", {each}, unsafe=True)' for each in made]
            lines += [f"for layer in ({', '.join(owners)}{',' * (len(owners) == 1)}):", *indented(own)]
        return lines


def parametrization_code(ref: ParameterRef) -> str:
    """Return the script's expression for the parametrization of a stored weight."""
    owner, _, kind = ref.code.rpartition(".")
    return f"{owner}.parametrizations.{kind}"
