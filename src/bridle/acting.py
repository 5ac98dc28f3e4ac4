"""What acts where: a recipe in a network, under an optimizer. Both engines ask here, so they cannot differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bridle.places import EVERYTHING, Layer, Loss, Weight, acts_on
from bridle.protocol import ADAMW_DECAY
from bridle.recipe import Recipe, Regularizer
from bridle.regularizers import WeightDecay

SPOTS_PER_SITE = 16


class Standing(NamedTuple):
    """One of a recipe's layers at one site of a network."""

    layer: Layer
    site: int
    name: (
        str  # of the module: ``norm1`` behind ``linear1``, ``dropout1`` behind its activation, ``dropout1_2`` after it
    )
    spot: int  # which of the run's streams of noise is its own


def standing(recipe: Recipe, site: int) -> list[Standing]:
    """The recipe's layers at a site (0: the network's input; k: its k-th hidden layer), in the order in which they act.

    Noise is numbered by the site, then by the order of the noisy layers in the recipe.
    """
    found: list[Standing] = []
    spot = site * SPOTS_PER_SITE
    for layer in recipe:
        if isinstance(layer, Layer) and stands_at(layer, site):
            kind = "norm" if layer.before_activation else type(layer).__name__.lower()
            alike = sum(type(each.layer) is type(layer) for each in found)
            name = f"{kind}{site}_{alike + 1}" if alike else f"{kind}{site}"
            found.append(Standing(layer, site, name, spot))
            spot += layer.draws_noise
    return [each for each in found if each.layer.before_activation] + [
        each for each in found if not each.layer.before_activation
    ]


def stands_at(layer: Layer, site: int) -> bool:
    """Whether the layer acts at that site; one without an ``at`` knob acts on hidden units."""
    at = layer.settings(numbers=False).get("at", "hidden")
    return bool(at == "all" or (at == "input") == (site == 0))


def under(optimizer: str, recipe: Recipe) -> Recipe:
    """The recipe as it acts under the optimizer: AdamW brings its own decay, unless the recipe says one.

    >>> str(under("adamw", Recipe())), str(under("adam", Recipe()))
    ("WeightDecay(strength=0.01, on='all')", 'none')
    """
    if optimizer != "adamw" or any(isinstance(each, WeightDecay) for each in recipe):
        return recipe
    return recipe + WeightDecay(strength=ADAMW_DECAY, on=EVERYTHING)


def selected(regularizer: Regularizer, axes: Mapping[str, int]) -> list[str]:
    """The parameters (name and number of axes) that a penalty or weight change acts on; ``ValueError`` if none."""
    on = regularizer.on if isinstance(regularizer, Loss | Weight) else EVERYTHING
    names = [name for name, count in axes.items() if acts_on(on, name, count)]
    if not names:
        raise ValueError(f"{regularizer!r}: on={on!r} selects none of the parameters; they are {', '.join(axes)}")
    return names
