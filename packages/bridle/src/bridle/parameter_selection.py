"""The parameters that a recipe's penalties, gradient and weight changes act on, by ``on`` and by their layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bridle.errors import InputError
from bridle.places import EVERYTHING, MATRICES, Ascent, Gradient, Loss, Weight, WeightLayer
from bridle.places.base import BIASES
from bridle.recipe import Regularizer
from bridle.sites import check_patterns
from bridle_audit.parameter_kinds import has_sign_parameters, is_bias, layer_name, parameter_kind, parametrized_weight

__all__ = ["Parameter", "excluded_parameters", "layer_weights", "matching_parameters", "parameter_description"]


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


def acts_on(on: str, name: str, axes: int, layer: str = "") -> bool:
    """Return True where ``on`` selects a parameter of this name, axes (in a single network) and type of layer.

    >>> [acts_on(on, "linear1.bias", 1) for on in ("matrices", "biases", "all", "linear1.*")]
    [False, True, True, True]
    """
    if on == MATRICES:
        return axes >= 2
    if on == BIASES:
        return is_bias(name.rpartition(".")[2])
    return on in (EVERYTHING, layer) or fnmatchcase(name, on)


def selection_of(unit: Regularizer) -> str:
    """Return which parameters a regularizer acts on, by its ``on``; all, where it has none."""
    return unit.on if isinstance(unit, Loss | Gradient | Ascent | Weight | WeightLayer) else EVERYTHING


def matching_parameters(unit: Regularizer, parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters that a penalty, gradient or weight change acts on; ``ValueError`` if there are none."""
    on = selection_of(unit)
    spared = excluded_parameters(unit, parameters)
    found = [each for each in parameters if acts_on(on, each.name, each.axes, each.layer) and each not in spared]
    if not found:
        names = ", ".join(each.name for each in parameters)
        made = f"; {spared[0].made_by} makes a weight of {spared[0].name}, which is left alone" if spared else ""
        raise InputError(f"{unit!r}: on={on!r} selects none of the parameters; they are {names}{made}")
    for each in found:
        if has_sign_parameters(each.made_by) and moves_without_gradient(unit):
            raise InputError(
                f"{unit!r}: {each.made_by} reads signs from {each.name}, and loses the weight if they move; choose "
                f"others by on="
            )
    check_patterns(unit, [each.names for each in parameters])
    return found


def parameter_description(modules: Mapping[str, nn.Module], name: str, parameter: Tensor) -> Parameter:
    """Describe a parameter as ``on`` sees it; one number for each unit counts as one axis, whatever its shape.

    ``modules`` are those of the model, by name.
    """
    origin, axes = parametrized_weight(modules, name), parameter.ndim
    if parameter_kind(modules, name, parameter).is_vector:
        axes = min(axes, 1)
    layer = parametrize.type_before_parametrizations(modules[layer_name(modules, name)])
    return Parameter(name, axes, layer.__name__, origin.by if origin else "")


def layer_weights(unit: WeightLayer, parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the weights that a weight layer acts on; ``InputError`` where it is asked for biases or scales of norms.

    The engines pass only the weights of layers through it: on another parameter it would be passed over in silence.
    """
    found = matching_parameters(unit, parameters)
    for each in found:
        if each.axes < 2:
            raise InputError(
                f"{unit!r} acts on the weights of layers, and on={unit.on!r} selects {each.name}; choose others by on="
            )
    return found


def excluded_parameters(unit: Regularizer, parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters that ``on`` would select but that are excluded: a parametrization computes weights of them.

    Their size says nothing of the weight's, and some of them hold still: what acts on them must be told so by their
    name. Whatever only scales gradients, or follows them, acts on them as on all others.
    """
    on = selection_of(unit)
    made = [each for each in parameters if each.made_by and acts_on(on, each.name, max(each.axes, 2), each.layer)]
    unnamed = [each for each in made if each.name.rpartition(".")[2].rstrip("0123456789") not in on]
    return unnamed if unnamed and moves_without_gradient(unit) else []


def moves_without_gradient(unit: Regularizer) -> bool:
    """Return True if a regularizer changes parameters whose gradient is zero, or computes other weights from them.

    >>> from bridle.regularizers import L2, ClipNorm, GradientNoise
    >>> moves_without_gradient(L2()), moves_without_gradient(GradientNoise()), moves_without_gradient(ClipNorm())
    (True, True, False)
    """
    if not isinstance(unit, Gradient):
        return unit.on_parameters and unit.place in ("layer", "loss", "weight")
    g = np.array([[[0.0], [1.0]], [[0.0], [2.0]]])
    extra = {"weight": np.ones_like(g), "norm": np.float64(1.0)}
    step_inputs = {name: 0 for name in unit.step_inputs if name == "step"}
    arrays = [*(np.full_like(g, 0.5) for _ in unit.noise), *(extra[name] for name in unit.extra_inputs)]
    return bool(np.any(unit.vanilla(g, *arrays, **unit.keywords(), **step_inputs)[:, 0]))
