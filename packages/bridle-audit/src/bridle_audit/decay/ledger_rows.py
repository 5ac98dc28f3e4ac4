"""The rows of the decay ledger: the path by which each parameter is decayed, and the share that it loses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit.decay.measurement import Decay, DecayMeter, is_default_decay
from bridle_audit.decay.penalty_effects import Penalty, PenaltyEffect, measure_penalty_effects
from bridle_audit.decay.rates import learning_rate
from bridle_audit.decay.trials import DECOUPLED, RESCALED
from bridle_audit.parameter_kinds import ParameterKind, has_sign_parameters, parameter_kind, parametrized_weight

__all__ = ["LedgerRow", "make_rows"]

FROZEN, OUTSIDE, PENALTY = "frozen", "not in the optimizer", "penalty"
SAMPLE_SIZE = 4096  # weights of a parameter that stand for all of them
SMALLEST_GRADIENT = 1e-5  # gradients are larger than this, so what is lost next to smaller ones does nothing
LARGEST_REST = 1e-3  # a penalty with a larger rest is not in proportion to the weight


@dataclass(frozen=True)
class LedgerRow:
    """The decay of one parameter."""

    names: tuple[str, ...]  # all that the model has for it; several where it is tied
    shape: tuple[int, ...]
    dtype: str
    path: str  # the kinds of decay and penalty that act, "none", or why nothing can act
    group: int | None = None  # of the optimizer
    by_default: bool = False  # whether the decay is the one that the optimizer's class has by itself
    strength: float = 0.0  # the group's weight_decay
    penalty: float = 0.0  # times the weight is the penalty's gradient: torch's unit of coupled decay
    lr: float | None = None  # the highest that is to come
    share: float | None = None  # of the weight, lost in a step at that rate without a data gradient
    left: float | None = None  # of the weight, after all steps without a data gradient
    half_life: float | None = None  # in steps at that rate
    changed: float | None = None  # the share of the weights that such a step changes, in their own precision
    twice: float | None = None  # where the optimizer rescales: how much more twice the strength takes; 1 is no more
    remark: str = ""

    @property
    def name(self) -> str:
        """The first of its names."""
        return self.names[0]


@dataclass(frozen=True)
class DecayPaths:
    """The paths by which one parameter is decayed: the optimizer's, a penalty's, or both."""

    optimizer_decay: Decay
    penalty_decay: Decay | None
    penalty_effect: PenaltyEffect | None
    acting: tuple[Decay, ...]  # what both come to

    @property
    def is_rescaled(self) -> bool:
        """True if the gradients decide what is lost, rather than the strength."""
        return any(each.kind == RESCALED for each in self.acting)

    @property
    def is_decoupled(self) -> bool:
        """True if the weight itself is shrunk, and that is all."""
        return bool(self.acting) and all(each.kind == DECOUPLED for each in self.acting)

    @property
    def is_double(self) -> bool:
        """True if both the optimizer and the penalty act."""
        return self.optimizer_decay.per_lr > 0 and self.penalty_decay is not None and self.penalty_decay.per_lr > 0

    @property
    def strength(self) -> float:
        """The coefficient of the weight in what is added to the gradient."""
        return sum(each.strength for each in self.acting if each.kind.startswith("coupled"))

    def lost_share(self, rates: np.ndarray) -> np.ndarray:
        """Return the share of a weight lost per step at each learning rate, in an array of the same shape."""
        shares = (each.per_lr * rates**each.lr_power for each in self.acting)
        return sum(shares, np.zeros_like(rates))

    def remaining_share(self, rates: np.ndarray) -> float:
        """Return the share of a weight that is left after a step at each of these learning rates."""
        return float(np.prod(np.abs(1 - self.lost_share(rates))))

    def describe(self, optimizer: str) -> str:
        """Return the names of the paths, as the ledger shows them."""
        paths = [PENALTY] if self.penalty_effect is not None else []
        paths += [self.optimizer_decay.kind] if self.optimizer_decay.per_lr else []
        if paths == [PENALTY] and self.is_rescaled:
            paths = [f"{PENALTY}, {RESCALED.removeprefix('coupled, ')}"]
        return " + ".join(paths).replace("by the optimizer", f"by {optimizer}") or "none"


@dataclass(frozen=True)
class LedgerInputs:
    """The inputs of a ledger's rows, and the lookups made of them once."""

    optimizer: Optimizer
    meter: DecayMeter
    rates: np.ndarray | None  # of each group at each step; None where the number of steps is not known
    penalty_effects: Mapping[str, PenaltyEffect]  # of the penalty
    modules: Mapping[str, nn.Module]
    groups: Mapping[int, int]  # the group that each parameter is in, by the parameter's id


def make_rows(
    model: nn.Module,
    optimizer: Optimizer,
    *,
    rates: np.ndarray | None,
    penalty: Penalty | None,
) -> Iterator[LedgerRow]:
    """Yield the rows in the model's order, then those of parameters that only the optimizer knows."""
    inputs = LedgerInputs(
        optimizer,
        DecayMeter(optimizer),
        rates,
        {} if penalty is None else measure_penalty_effects(penalty, model),
        dict(model.named_modules()),
        {id(each): index for index, group in enumerate(optimizer.param_groups) for each in group["params"]},
    )
    names: dict[nn.Parameter, list[str]] = {}
    for name, each in model.named_parameters(remove_duplicate=False):
        names.setdefault(each, []).append(name)
    for index, group in enumerate(optimizer.param_groups):
        for number, each in enumerate(group["params"]):
            names.setdefault(each, [f"param_groups[{index}]['params'][{number}], not in the model"])
    for each, known in names.items():
        yield make_row(inputs, tuple(known), each)


def make_row(inputs: LedgerInputs, names: tuple[str, ...], parameter: nn.Parameter) -> LedgerRow:
    """Make the row of one parameter, which may have several names."""
    index = inputs.groups.get(id(parameter))
    row = LedgerRow(names, tuple(parameter.shape), str(parameter.dtype).removeprefix("torch."), OUTSIDE, index)
    if not parameter.requires_grad and (index is None or parameter.grad is None):
        return replace(row, path=FROZEN)
    if index is None:
        return row
    paths = measure_paths(inputs, inputs.optimizer.param_groups[index], parameter, inputs.penalty_effects.get(names[0]))
    lr = (
        learning_rate(inputs.optimizer.param_groups[index])
        if inputs.rates is None
        else float(inputs.rates[index].max())
    )
    share = float(paths.lost_share(np.asarray(lr)))
    changed = changed_share(parameter, share) if paths.is_decoupled else None
    return replace(
        row,
        path=paths.describe(type(inputs.meter.optimizer).__name__),
        by_default=is_default_decay(inputs.optimizer, inputs.optimizer.param_groups[index]),
        strength=paths.optimizer_decay.strength,
        penalty=paths.penalty_effect.coefficient if paths.penalty_effect else 0.0,
        lr=lr,
        share=share,
        left=None if inputs.rates is None or paths.is_rescaled else paths.remaining_share(inputs.rates[index]),
        half_life=None if paths.is_rescaled else half_life(share),
        changed=changed,
        twice=min(each.twice for each in paths.acting) if paths.is_rescaled else None,
        remark="; ".join(
            [*parameter_remarks(inputs, names[0], parameter, paths), *decay_remarks(parameter, paths, changed)]
        ),
    )


def measure_paths(
    inputs: LedgerInputs, group: Mapping[str, Any], parameter: Tensor, pull: PenaltyEffect | None
) -> DecayPaths:
    """Measure the paths by which a parameter of a group is decayed."""
    size, ndim = typical_size(parameter), parameter.ndim
    own = inputs.meter.measure(group, ndim=ndim, size=size)
    if pull is None:
        return DecayPaths(own, None, None, (own,) if own.per_lr else ())
    pulled = inputs.meter.measure_penalty(group, pull.coefficient, ndim=ndim, size=size)
    acting = tuple(each for each in (own, pulled) if each.per_lr)
    if len(acting) == 2 and own.kind == RESCALED:  # both are in one gradient when it is rescaled
        acting = (inputs.meter.measure_penalty(group, own.strength + pull.coefficient, ndim=ndim, size=size),)
    return DecayPaths(own, pulled, pull, acting)


def half_life(share: float) -> float | None:
    """Return the steps until half of a weight is left; inf if nothing is lost, None if that is not known."""
    if not share < 1:  # also where the learning rate is not known
        return None
    return math.log(0.5) / math.log1p(-share) if share > 0 else math.inf


def sample_weights(parameter: Tensor) -> Tensor:
    """Return some of a parameter's weights, evenly from all of it."""
    values = parameter.detach().flatten()
    return values[:: max(1, len(values) // SAMPLE_SIZE)]


def typical_size(parameter: Tensor) -> float:
    """Return the root mean square of a parameter's weights; 1 if they are all zero or not finite."""
    size = float(sample_weights(parameter).double().square().mean().sqrt())
    return size if 0 < size < math.inf else 1.0


def changed_share(parameter: Tensor, share: float) -> float | None:
    """Return the share of the weights that a decay by ``share`` changes, in their own precision."""
    values = sample_weights(parameter)
    values = values[values != 0]
    return float((values * (1 - share) != values).double().mean()) if len(values) else None


def rounding_threshold(parameter: Tensor, strength: float) -> float:
    """Return the size of gradients next to which ``strength`` times the weight is rounded away; NaN without weights."""
    middle = float(sample_weights(parameter).double().abs().median())
    return 2 * strength * middle / torch.finfo(parameter.dtype).eps


def parameter_remarks(inputs: LedgerInputs, name: str, parameter: Tensor, paths: DecayPaths) -> Iterator[str]:
    """Yield remarks on a parameter that is not usually decayed."""
    if not paths.acting or name.rpartition(".")[0] not in inputs.modules:
        return
    kind, origin = parameter_kind(inputs.modules, name, parameter), parametrized_weight(inputs.modules, name)
    if kind not in (ParameterKind.MATRIX, ParameterKind.VECTOR):
        yield kind.value
    if origin:
        lost = ", which any decay makes zero" if has_sign_parameters(origin.by) else ""
        yield f"{origin.by} makes {origin.weight} of it{lost}"


def decay_remarks(parameter: nn.Parameter, paths: DecayPaths, changed: float | None) -> Iterator[str]:
    """Yield remarks on the decay of a parameter that is trained."""
    above = rounding_threshold(parameter, paths.strength)
    if not parameter.requires_grad:
        yield "frozen, but its gradient is still there, so the optimizer moves it"
    if paths.is_double:
        yield "acts twice, by the penalty and by the optimizer"
    if changed == 0:
        yield f"nothing happens: a step changes none of its weights in {str(parameter.dtype).removeprefix('torch.')}"
    if 0 < above < SMALLEST_GRADIENT:
        yield f"lost in rounding next to any gradient above {above:.1g}"
    if paths.penalty_effect is not None and paths.penalty_effect.rest > LARGEST_REST:
        yield f"{paths.penalty_effect.rest:.0%} of the penalty's gradient is not in proportion to the weight"
    if paths.optimizer_decay.remark:
        yield paths.optimizer_decay.remark
