"""What a parameter is: a matrix, a bias, the scale of a norm, or what a parametrization makes a weight of.

The ledger, the engine and ``attach`` ask here, so they agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.utils import parametrize

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
MAPPINGS = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.Embedding, nn.EmbeddingBag)  # even to one unit
RECURRENT = (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)  # several mappings in one
BIAS = re.compile(r"(^|_)bias(es)?(_|\d|$)")  # bias, in_proj_bias, bias_ih_l0
NORM = re.compile(r"norm(?!al(?!iz))", re.IGNORECASE)  # in the name of somebody's class; not Normal, but Normalization
NO_NORM = re.compile(r"linear|conv|dense|embed|atten|mlp|block|encod|decod|head|flow|net|model", re.IGNORECASE)
SHIFTS = ("beta", "shift", "b", "b_2")  # as norms call theirs besides bias
VECTORS = ("scale", "gain", "gamma", "beta", "shift")  # of somebody's layer, for each member of an ensemble perhaps
WEIGHTS = ("weight", "kernel", "w", "W")
HOOKS = {"WeightNorm": ("weight_norm", ("_g", "_v")), "SpectralNorm": ("spectral_norm", ("_orig",))}
TORCHS = {"_WeightNorm": "weight_norm", "_SpectralNorm": "spectral_norm", "_Orthogonal": "orthogonal"}


class Kind(Enum):
    """What a parameter is."""

    MATRIX = "a matrix"
    EMBEDDING = "an embedding"
    VECTOR = "a number for each unit"
    BIAS = "a bias"
    SCALE = "the scale of a norm"
    SHIFT = "the shift of a norm"

    @property
    def is_vector(self) -> bool:
        """Whether it has one number for each unit, whatever its shape."""
        return self not in (Kind.MATRIX, Kind.EMBEDDING)


class Origin(NamedTuple):
    """What a parametrization makes of a parameter."""

    weight: str  # the name of what the layer uses
    by: str  # ``weight_norm``, ``orthogonal by householder``, or the class of anybody's own


def kind_of(modules: Mapping[str, nn.Module], name: str, parameter: Tensor) -> Kind:
    """What a parameter is, by the layer that it belongs to, what it is called there, and its shape."""
    layer, leaf = modules[owner_of(modules, name)], leaf_of(name)
    origin = origin_of(modules, name)
    if origin and origin.by == "weight_norm" and name.endswith(("original0", "_g")):
        return Kind.SCALE
    if is_norm(layer):
        return Kind.SHIFT if is_bias(leaf) or leaf in SHIFTS else Kind.SCALE
    if is_bias(leaf):
        return Kind.BIAS
    if isinstance(layer, nn.Embedding | nn.EmbeddingBag):
        return Kind.EMBEDDING
    return Kind.VECTOR if is_vector(layer, leaf, parameter) else Kind.MATRIX


def is_bias(name: str) -> bool:
    """Whether a layer calls a parameter a bias."""
    return BIAS.search(name) is not None


def is_norm(layer: nn.Module) -> bool:
    """Whether a layer normalizes: one of torch's, or by the name of its class."""
    name = type(layer).__name__
    if isinstance(layer, NORMS):
        return True
    return bool(NORM.search(name)) and not NO_NORM.search(name) and not isinstance(layer, MAPPINGS + RECURRENT)


def is_vector(layer: nn.Module, leaf: str, parameter: Tensor) -> bool:
    """Whether a parameter has one number for each unit by its shape or name: a gate, a slope, a token, a scale."""
    if parameter.ndim < 2 or type(layer).__name__ == "PReLU":
        return True
    flat = sum(size > 1 for size in parameter.shape) < 2 or leaf in VECTORS
    maps = isinstance(layer, MAPPINGS + RECURRENT) or (parameter.ndim == 2 and leaf in WEIGHTS)
    return flat and not maps


def owner_of(modules: Mapping[str, nn.Module], name: str) -> str:
    """The name of the layer that a parameter belongs to; of what a parametrization holds, that of the weight."""
    owner = name.rpartition(".")[0]
    if isinstance(modules[owner], parametrize.ParametrizationList):
        return owner.rpartition("parametrizations.")[0].rstrip(".")
    return owner


def leaf_of(name: str) -> str:
    """What its layer calls a parameter; of what a parametrization holds, what the layer calls the weight."""
    _, inside, behind = name.rpartition("parametrizations.")
    return behind.partition(".")[0] if inside and behind.count(".") == 1 else name.rpartition(".")[2]


def origin_of(modules: Mapping[str, nn.Module], name: str) -> Origin | None:
    """What a parametrization makes of a parameter; ``None`` where it is used as it is.

    A parametrization whose ``stores_the_weight`` is true, as those of bridle are, leaves what it stores to be
    penalized: that counts as the weight.
    """
    owner, _, leaf = name.rpartition(".")
    part = modules[owner]
    if isinstance(part, parametrize.ParametrizationList) and leaf.startswith("original"):
        if all(getattr(each, "stores_the_weight", False) for each in part):
            return None
        layer = owner_of(modules, name)
        return Origin(".".join(filter(None, (layer, leaf_of(name)))), ", ".join(map(called, part)))
    for hook in part._forward_pre_hooks.values():
        by, endings = HOOKS.get(type(hook).__name__, ("", ()))
        weight = getattr(hook, "name", "")
        if leaf in [weight + each for each in endings]:
            return Origin(".".join(filter(None, (owner, weight))), by)
    return None


def called(parametrization: nn.Module) -> str:
    """A parametrization as its user knows it."""
    name = type(parametrization).__name__
    way = getattr(parametrization, "orthogonal_map", None)
    return f"{TORCHS.get(name, name)} by {way.name}" if isinstance(way, Enum) else TORCHS.get(name, name)


def reads_signs(parametrization: str) -> bool:
    """Whether a parametrization has signs among its parameters, which have no gradient: 0.99 is none."""
    return "householder" in parametrization
