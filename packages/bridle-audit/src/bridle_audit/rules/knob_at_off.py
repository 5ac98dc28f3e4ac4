"""A regularizer of the recipe stands at the value at which it does nothing.

What it finds:
    A recipe with a regularizer that is switched off by one of its own numbers, everywhere and for the whole training: a
    dropout with rate 0, a decay with strength 0, a schedule from 0 to 0.

Why it hurts:
    It is trained, compared and reported under its name, and is the network without it: the first pass is the same to
    the last bit. In a comparison it is a second baseline that costs as much as the first. Where it is meant as the
    baseline, leave it out; "none" is in every comparison.

Example:
    import bridle

    recipe = bridle.Dropout(rate=0.0) + bridle.WeightDecay(strength=0.01)

Use instead:
    import bridle

    recipe = bridle.Dropout(rate=0.2) + bridle.WeightDecay(strength=0.01)

References:
    bridle, the regularizers and the values at which they are off: docs/regularizers in the repository,
    `bridle explain Dropout` prints a page; the definition of dropout: https://jmlr.org/papers/v15/srivastava14a.html
"""

from __future__ import annotations

from collections.abc import Iterator

from bridle.knobs import knobs
from bridle.recipe import Recipe
from bridle_audit.findings import Finding

SEVERITY = "note"


def recipe(recipe: Recipe) -> Iterator[Finding]:
    """Regularizers that are off."""
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
