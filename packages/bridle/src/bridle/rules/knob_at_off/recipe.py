"""Regularizers that are off."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.knobs import knobs
from bridle.recipe import Recipe
from bridle_audit.findings import Finding


def check(recipe: Recipe) -> Iterator[Finding]:
    """Yield a finding for each knob at the value that turns its regularizer off."""
    for each in recipe:
        name = type(each).__name__
        off = [knob for knob in knobs(each) if knob.is_off(getattr(each, knob.name))]
        for knob in off:
            yield Finding(
                repr(each),
                f"{name} does nothing where {knob.name} is {knob.off:g}, and here it is, for the whole training",
                f"bridle.{name}({knob.name}={float(knob.default):g})",
                {knob.name: float(knob.off or 0.0)},
            )
