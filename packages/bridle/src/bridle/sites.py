"""The sites in a network at which a recipe's layers act, the same in both engines and in ``attach``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from bridle.errors import InputError
from bridle.noise_streams import STREAMS_PER_SITE
from bridle.places import EVERYTHING, HIDDEN, INPUT, ActivityLoss, Layer
from bridle.recipe import Recipe, Regularizer
from bridle.schedules import EVERYWHERE, PerLayer

__all__ = [
    "RESIDUAL",
    "LayerAtSite",
    "Site",
    "acts_at",
    "check_patterns",
    "check_sites",
    "hidden_site",
    "input_site",
    "layers_at",
]

RESIDUAL = "residual"


class Site(NamedTuple):
    """A site in a network, at which layers may act.

    Number 0 is the network's input, number k behind its k-th hidden layer; sites that only a name reaches come after.
    ``names`` are what a pattern may say: the number, the layer's name, its type.
    """

    number: int
    names: tuple[str, ...]
    hidden: bool = True  # whether it is one of those behind the hidden layers


class LayerAtSite(NamedTuple):
    """A layer of a recipe at one site of a network."""

    layer: Layer
    site: Site
    # Of the module: ``norm1`` behind ``linear1``, ``dropout1`` behind its activation, ``dropout1_2`` after it.
    name: str
    stream_id: int  # the first of its streams of noise


def input_site() -> Site:
    """The network's input."""
    return Site(0, ("0", INPUT), hidden=False)


def hidden_site(number: int, layer: str, kind: str) -> Site:
    """Behind the ``number``-th weighted layer, which is called ``layer`` and is of the type ``kind``."""
    return Site(number, (str(number), layer, kind))


def layers_at(recipe: Recipe, site: Site) -> list[LayerAtSite]:
    """Return the recipe's layers at a site, in the order in which they act.

    Noise is numbered by the site, then by the order of the noisy layers in the recipe; before the activation, where
    there may be pooling between, apart from behind it.
    """
    found: list[LayerAtSite] = []
    behind = site.number * STREAMS_PER_SITE
    stream_ids = {False: behind, True: behind + STREAMS_PER_SITE // 2}
    for layer in recipe:
        if isinstance(layer, Layer) and acts_at(layer, site):
            is_norm = layer.before_activation and "weight" in layer.parameters
            kind = "norm" if is_norm else type(layer).__name__.lower()
            alike = sum(each.name.partition("_")[0] == f"{kind}{site.number}" for each in found)
            name = f"{kind}{site.number}_{alike + 1}" if alike else f"{kind}{site.number}"
            found.append(LayerAtSite(layer, site, name, stream_ids[layer.before_activation]))
            stream_ids[layer.before_activation] += len(layer.noise)
    return [each for each in found if each.layer.before_activation] + [
        each for each in found if not each.layer.before_activation
    ]


def acts_at(unit: Layer | ActivityLoss, site: Site) -> bool:
    """Return True if a layer, or a penalty on activations, acts at the site."""
    if unit.at == EVERYTHING:
        return site.hidden or site.number == 0
    if unit.at == HIDDEN:
        return site.hidden
    return any(fnmatchcase(name, unit.at) for name in site.names)


def check_sites(recipe: Recipe, sites: Iterable[Site]) -> None:
    """Raise ``ValueError`` for a layer that asks for a place by name, or has values by name, that are not there."""
    sites = list(sites)
    for unit in recipe:
        if not isinstance(unit, Layer | ActivityLoss):
            continue
        check_patterns(unit, [site.names for site in sites])
        if unit.at not in (HIDDEN, INPUT, EVERYTHING) and not any(acts_at(unit, site) for site in sites):
            known = ", ".join(dict.fromkeys(name for site in sites for name in site.names[1:]))
            hint = "; a network with residual branches is residual_mlp(...)" if unit.at == RESIDUAL else ""
            raise InputError(f"{unit!r}: at={unit.at!r} is no place in this network; there are {known}{hint}")


def check_patterns(unit: Regularizer, names: Sequence[tuple[str, ...]]) -> None:
    """Raise ``ValueError`` for a pattern of per-layer values that matches none of the names of sites or parameters."""
    flat = [name for group in names for name in group]
    for knob, value in unit.settings(numbers=True).items():
        for pattern, _ in value.entries if isinstance(value, PerLayer) else ():
            if pattern != EVERYWHERE and not any(fnmatchcase(name, pattern) for name in flat):
                known = ", ".join(dict.fromkeys(name for name in flat if name))
                there = f"there are {known}" if known else "it acts in no layer; give it one value"
                raise InputError(f"{unit!r}: the pattern {pattern!r} of {knob} matches nothing; {there}")
