"""The sites and parameters that a recipe acts on, the same for both engines and ``attach``."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeVar

import numpy as np
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bridle.errors import InputError
from bridle.layout import Layout
from bridle.places import (
    EVERYTHING,
    HIDDEN,
    INPUT,
    ActivityLoss,
    Batch,
    Gradient,
    Layer,
    Loss,
    OutputLoss,
    PassLoss,
    Stop,
    Weight,
    WeightLayer,
    acts_on,
)
from bridle.places.declare import Placed
from bridle.protocol import ADAMW_DECAY
from bridle.recipe import Recipe, Regularizer
from bridle.regularizers import WeightDecay
from bridle.schedules import EVERYWHERE, PerLayer
from bridle_audit.parameter_kinds import has_sign_parameters, layer_name, parameter_kind, parametrized_weight

SPOTS_PER_SITE = 16
NAMED_SPOTS = 2**32  # noise that belongs to no site is numbered from here, by a hash of whose it is: in all, 2**36
FRESH = 2**40  # added to a spot: the noise of a second pass
# Running statistics of averaged weights are measured anew on the first training rows, batch by batch.
MEASURED_ROWS, MEASURED_BATCH = 4096, 256
RESIDUAL = "residual"

At = TypeVar("At", Layer, ActivityLoss)


class Site(NamedTuple):
    """A place in a network where layers may stand.

    Number 0 is the network's input, number k behind its k-th hidden layer; sites that only a name reaches come after.
    ``names`` are what a pattern may say: the number, the layer's name, its type.
    """

    number: int
    names: tuple[str, ...]
    hidden: bool = True  # whether it is one of those behind the hidden layers


class Parameter(NamedTuple):
    """A parameter as ``on`` sees it: its name, its axes in a single network, the type of its layer."""

    name: str
    axes: int
    layer: str = ""
    made_by: str = ""  # the parametrization that makes a weight of it; nothing where it is used as it is

    @property
    def names(self) -> tuple[str, ...]:
        """Names that a pattern of per-layer values can match."""
        return (self.name, self.name.rpartition(".")[0], self.layer)


class Standing(NamedTuple):
    """One of a recipe's layers at one site of a network."""

    layer: Layer
    site: Site
    # Of the module: ``norm1`` behind ``linear1``, ``dropout1`` behind its activation, ``dropout1_2`` after it.
    name: str
    spot: int  # the first of the run's streams of noise that are its own


def input_site() -> Site:
    """The network's input."""
    return Site(0, ("0", INPUT), hidden=False)


def hidden_site(number: int, layer: str, kind: str) -> Site:
    """Behind the ``number``-th weighted layer, which is called ``layer`` and is of the type ``kind``."""
    return Site(number, (str(number), layer, kind))


def standing(recipe: Recipe, site: Site) -> list[Standing]:
    """The recipe's layers at a site, in the order in which they act.

    Noise is numbered by the site, then by the order of the noisy layers in the recipe; before the activation, where
    there may be pooling between, apart from behind it.
    """
    found: list[Standing] = []
    behind = site.number * SPOTS_PER_SITE
    spots = {False: behind, True: behind + SPOTS_PER_SITE // 2}
    for layer in recipe:
        if isinstance(layer, Layer) and stands_at(layer, site):
            is_norm = layer.before_activation and "weight" in layer.parameters
            kind = "norm" if is_norm else type(layer).__name__.lower()
            alike = sum(each.name.partition("_")[0] == f"{kind}{site.number}" for each in found)
            name = f"{kind}{site.number}_{alike + 1}" if alike else f"{kind}{site.number}"
            found.append(Standing(layer, site, name, spots[layer.before_activation]))
            spots[layer.before_activation] += len(layer.noise)
    return [each for each in found if each.layer.before_activation] + [
        each for each in found if not each.layer.before_activation
    ]


def stands_at(unit: Layer | ActivityLoss, site: Site) -> bool:
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
        if unit.at not in (HIDDEN, INPUT, EVERYTHING) and not any(stands_at(unit, site) for site in sites):
            known = ", ".join(dict.fromkeys(name for site in sites for name in site.names[1:]))
            hint = "; a network with residual branches is residual_mlp(...)" if unit.at == RESIDUAL else ""
            raise InputError(f"{unit!r}: at={unit.at!r} is no place in this network; there are {known}{hint}")


def check_patterns(unit: Regularizer, spots: Sequence[tuple[str, ...]]) -> None:
    """Raise ``ValueError`` for a pattern of per-layer values that matches none of the names of the spots."""
    for name, value in unit.settings(numbers=True).items():
        for pattern, _ in value.entries if isinstance(value, PerLayer) else ():
            if pattern != EVERYWHERE and not any(fnmatchcase(each, pattern) for names in spots for each in names):
                known = ", ".join(dict.fromkeys(each for names in spots for each in names if each))
                there = f"there are {known}" if known else "it acts in no layer; give it one value"
                raise InputError(f"{unit!r}: the pattern {pattern!r} of {name} matches nothing; {there}")


def under(optimizer: str, recipe: Recipe) -> Recipe:
    """The recipe as it acts under the optimizer: AdamW brings its own decay, unless the recipe says one.

    >>> str(under("adamw", Recipe())), str(under("adam", Recipe()))
    ("WeightDecay(strength=0.01, on='all')", 'none')
    """
    if optimizer != "adamw" or any(isinstance(each, WeightDecay) for each in recipe):
        return recipe
    return Recipe((*recipe, WeightDecay(strength=ADAMW_DECAY, on=EVERYTHING)))


def selected(unit: Regularizer, parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters that a penalty, gradient or weight change acts on; ``ValueError`` if there are none."""
    on = unit.settings(numbers=False).get("on", EVERYTHING)
    spared = spared_by(unit, parameters)
    found = [each for each in parameters if acts_on(on, each.name, each.axes, each.layer) and each not in spared]
    if not found:
        names = ", ".join(each.name for each in parameters)
        made = f"; {spared[0].made_by} makes a weight of {spared[0].name}, which is left alone" if spared else ""
        raise InputError(f"{unit!r}: on={on!r} selects none of the parameters; they are {names}{made}")
    for each in found:
        if has_sign_parameters(each.made_by) and moves(unit):
            raise InputError(
                f"{unit!r}: {each.made_by} reads signs from {each.name}, and loses the weight if they move; choose "
                f"others by on="
            )
    check_patterns(unit, [each.names for each in parameters])
    return found


def describe(modules: Mapping[str, nn.Module], name: str, parameter: Tensor) -> Parameter:
    """A parameter as ``on`` sees it; one number for each unit counts as one axis, whatever its shape.

    ``modules`` are those of the model, by name.
    """
    origin, axes = parametrized_weight(modules, name), parameter.ndim
    if parameter_kind(modules, name, parameter).is_vector:
        axes = min(axes, 1)
    layer = parametrize.type_before_parametrizations(modules[layer_name(modules, name)])
    return Parameter(name, axes, layer.__name__, origin.by if origin else "")


def spared_by(unit: Regularizer, parameters: Sequence[Parameter]) -> list[Parameter]:
    """The parameters that are left alone, though ``on`` would select them: a parametrization makes weights of them.

    Their size says nothing of the weight's, and some of them hold still: what acts on them must be told so by their
    name. Whatever only scales gradients, or follows them, acts on them as on all others.
    """
    on = unit.settings(numbers=False).get("on", EVERYTHING)
    made = [each for each in parameters if each.made_by and acts_on(on, each.name, max(each.axes, 2), each.layer)]
    unnamed = [each for each in made if each.name.rpartition(".")[2].rstrip("0123456789") not in on]
    return unnamed if unnamed and moves(unit) else []


def moves(unit: Regularizer) -> bool:
    """Return True if a regularizer changes parameters whose gradient is zero, or computes other weights from them.

    >>> from bridle.regularizers import L2, ClipNorm, GradientNoise
    >>> moves(L2()), moves(GradientNoise()), moves(ClipNorm())
    (True, True, False)
    """
    if not isinstance(unit, Gradient):
        return isinstance(unit, Loss | Weight | WeightLayer)
    g = np.array([[[0.0], [1.0]], [[0.0], [2.0]]])
    extra = {"weight": np.ones_like(g), "norm": np.float64(1.0)}
    step_inputs = {name: 0 for name in unit.step_inputs if name == "step"}
    arrays = [*(np.full_like(g, 0.5) for _ in unit.noise), *(extra[name] for name in unit.extra_inputs)]
    return bool(np.any(unit.vanilla(g, *arrays, **unit.keywords(), **step_inputs)[:, 0]))


def first_spot(unit: Placed, whose: str = "") -> int:
    """The first stream of noise of a regularizer that stands at no site: on a parameter, or on the batch."""
    words = ",".join(map(str, unit.settings(numbers=False).values()))
    return NAMED_SPOTS + SPOTS_PER_SITE // 2 * zlib.crc32(f"{type(unit).__name__}({words}) {whose}".encode())


def watched(unit: Stop, point: Mapping[str, float], main: str) -> float:
    """The number of an epoch's scores that a regularizer watches to stop by, lower is better."""
    if unit.watches_metric:
        return -point[f"valid_{main}"]
    return point["valid_loss"]


def check_data(unit: Placed, task: str, layout: Layout) -> None:
    """Raise ``ValueError`` for a regularizer that these data are not made for."""
    if isinstance(unit, Batch | OutputLoss | PassLoss):
        check_patterns(unit, [])
    if unit.classes_only and task not in ("classification", "multilabel"):
        raise InputError(f"{unit!r} is for classes, and the target here is a number; leave it out for a regression")
    if unit.images_only and layout.image is None:
        raise InputError(
            f"{unit!r} is for images, rows of shape (height, width) or (channels, height, width), and these are rows "
            f"of {len(layout.groups)} features; leave it out, or give the images their shape"
        )
