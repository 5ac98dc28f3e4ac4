"""Kinds of parameters: a matrix, a bias, the scale of a norm; and those that a parametrization makes a weight of.

The ledger, the engine and ``attach`` ask here, so they agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = [
    "NORMS",
    "ParameterKind",
    "has_sign_parameters",
    "is_bias",
    "layer_name",
    "parameter_kind",
    "parametrized_weight",
]

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
MAPPINGS = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.Embedding, nn.EmbeddingBag)  # even to one unit
RECURRENT = (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)  # several mappings in one
BIAS_NAME = re.compile(r"(^|_)bias(es)?(_|\d|$)")  # bias, in_proj_bias, bias_ih_l0
NORM_CLASS = re.compile(r"norm(?!al(?!iz))", re.IGNORECASE)  # in the name of a class; not Normal, but Normalization
OTHER_CLASS = re.compile(r"linear|conv|dense|embed|atten|mlp|block|encod|decod|head|flow|net|model", re.IGNORECASE)
SHIFT_NAMES = ("beta", "shift", "b", "b_2")  # as norms call theirs besides bias
VECTOR_NAMES = (
    "scale",
    "gain",
    "gamma",
    "beta",
    "shift",
)  # of somebody's layer, for each member of an ensemble perhaps
WEIGHT_NAMES = ("weight", "kernel", "w", "W")
HOOK_PARAMETRIZATIONS = {"WeightNorm": ("weight_norm", ("_g", "_v")), "SpectralNorm": ("spectral_norm", ("_orig",))}
PARAMETRIZATION_NAMES = {"_WeightNorm": "weight_norm", "_SpectralNorm": "spectral_norm", "_Orthogonal": "orthogonal"}


class ParameterKind(Enum):
    """The kind of a parameter."""

    MATRIX = "a matrix"
    EMBEDDING = "an embedding"
    VECTOR = "a number for each unit"
    BIAS = "a bias"
    SCALE = "the scale of a norm"
    SHIFT = "the shift of a norm"

    @property
    def is_vector(self) -> bool:
        """True if a parameter of this kind has one number for each unit, whatever its shape."""
        return self not in (ParameterKind.MATRIX, ParameterKind.EMBEDDING)


class ParametrizedWeight(NamedTuple):
    """The weight that a parametrization makes of a parameter."""

    weight: str  # its name, as the layer uses it
    by: str  # the parametrization: ``weight_norm``, ``orthogonal by householder``, or the class of anybody's own


def parameter_kind(modules: Mapping[str, nn.Module], name: str, parameter: Tensor) -> ParameterKind:
    """Return the kind of a parameter, by its layer, its name there, and its shape."""
    layer, leaf = modules[layer_name(modules, name)], local_name(name)
    origin = parametrized_weight(modules, name)
    if origin and origin.by == "weight_norm" and name.endswith(("original0", "_g")):
        return ParameterKind.SCALE
    if is_norm(layer):
        return ParameterKind.SHIFT if is_bias(leaf) or leaf in SHIFT_NAMES else ParameterKind.SCALE
    if is_bias(leaf):
        return ParameterKind.BIAS
    if isinstance(layer, nn.Embedding | nn.EmbeddingBag):
        return ParameterKind.EMBEDDING
    return ParameterKind.VECTOR if is_vector(layer, leaf, parameter) else ParameterKind.MATRIX


def is_bias(name: str) -> bool:
    """Return True if a parameter's name in its layer is that of a bias."""
    return BIAS_NAME.search(name) is not None


def is_norm(layer: nn.Module) -> bool:
    """Return True if a layer normalizes: one of torch's, or by the name of its class."""
    name = type(layer).__name__
    if isinstance(layer, NORMS):
        return True
    return (
        bool(NORM_CLASS.search(name)) and not OTHER_CLASS.search(name) and not isinstance(layer, MAPPINGS + RECURRENT)
    )


def is_vector(layer: nn.Module, leaf: str, parameter: Tensor) -> bool:
    """Return True if a parameter has one number for each unit, by shape or name: a gate, a slope, a token, a scale."""
    if parameter.ndim < 2 or type(layer).__name__ == "PReLU":
        return True
    flat = sum(size > 1 for size in parameter.shape) < 2 or leaf in VECTOR_NAMES
    maps = isinstance(layer, MAPPINGS + RECURRENT) or (parameter.ndim == 2 and leaf in WEIGHT_NAMES)
    return flat and not maps


def layer_name(modules: Mapping[str, nn.Module], name: str) -> str:
    """Return the name of a parameter's layer; for one within a parametrization, the layer of the weight."""
    owner = name.rpartition(".")[0]
    if isinstance(modules[owner], parametrize.ParametrizationList):
        return owner.rpartition("parametrizations.")[0].rstrip(".")
    return owner


def local_name(name: str) -> str:
    """Return a parameter's name in its layer; for one within a parametrization, that of the weight."""
    _, inside, behind = name.rpartition("parametrizations.")
    return behind.partition(".")[0] if inside and behind.count(".") == 1 else name.rpartition(".")[2]


def parametrized_weight(modules: Mapping[str, nn.Module], name: str) -> ParametrizedWeight | None:
    """Return the weight that a parametrization makes of a parameter; None if it is used as it is.

    A parametrization whose ``stores_the_weight`` is true, as those of bridle are, leaves what it stores to be
    penalized: that counts as the weight.
    """
    owner, _, leaf = name.rpartition(".")
    part = modules[owner]
    if isinstance(part, parametrize.ParametrizationList) and leaf.startswith("original"):
        if all(getattr(each, "stores_the_weight", False) for each in part):
            return None
        layer = layer_name(modules, name)
        return ParametrizedWeight(
            ".".join(filter(None, (layer, local_name(name)))), ", ".join(map(parametrization_name, part))
        )
    for hook in part._forward_pre_hooks.values():
        by, endings = HOOK_PARAMETRIZATIONS.get(type(hook).__name__, ("", ()))
        weight = getattr(hook, "name", "")
        if leaf in [weight + each for each in endings]:
            return ParametrizedWeight(".".join(filter(None, (owner, weight))), by)
    return None


def parametrization_name(parametrization: nn.Module) -> str:
    """Return the name of a parametrization, as its user knows it."""
    name = type(parametrization).__name__
    orthogonal_map = getattr(parametrization, "orthogonal_map", None)
    known = PARAMETRIZATION_NAMES.get(name, name)
    return f"{known} by {orthogonal_map.name}" if isinstance(orthogonal_map, Enum) else known


def has_sign_parameters(parametrization: str) -> bool:
    """Return True if a parametrization has signs among its parameters, which must be 1 or -1 and are not trained."""
    return "householder" in parametrization
