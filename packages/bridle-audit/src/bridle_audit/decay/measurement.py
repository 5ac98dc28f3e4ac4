"""The decay of an optimizer, measured on a few weights that nobody needs.

A class's name tells little: torch's AdamW is an Adam, ``Adam(decoupled_weight_decay=True)`` is an AdamW, and nobody
knows all optimizers there are. So a new optimizer of the same class and options is given weights of its own, in double
precision, and what it does to them with decay and without says which kind of decay it has.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from torch.optim import Optimizer

from bridle_audit.decay.rates import learning_rate, options_of
from bridle_audit.decay.trials import (
    KINDS,
    LONG_TRIAL_STEPS,
    TRIAL_LR,
    TRIAL_STRENGTH,
    DecayResponse,
    OptimizerTraits,
    default_option_names,
    measure_traits,
    run_trial,
)

__all__ = [
    "COUPLED",
    "DECOUPLED",
    "NONE",
    "RESCALED",
    "Decay",
    "DecayMeter",
    "innermost_optimizer",
    "is_default_decay",
    "measure_decay",
]

NONE, DECOUPLED, COUPLED, RESCALED = KINDS
UNUSED = "the optimizer does not use it"
DECOUPLED_FLAGS = ("decoupled_weight_decay", "weight_decouple", "decoupled_decay", "decouple")  # as libraries name them
SCHEDULER_OPTIONS = {"initial_lr", "max_lr", "min_lr", "swa_lr", "base_momentum", "max_momentum"}  # torch's schedulers'


@dataclass(frozen=True)
class Decay:
    """The effect of an optimizer's decay on a weight."""

    kind: str  # one of KINDS
    strength: float  # in the optimizer's own unit: the group's weight_decay
    lr: float  # the group's learning rate now; NaN where the optimizer finds its own
    per_lr: float = 0.0  # the share of a weight that is lost per unit of the learning rate; see share
    lr_power: int = 1  # the share goes with this power of the learning rate
    momentum_factor: float = 1.0  # the share in the long run over that of the first step: momentum adds up
    twice: float = 2.0  # times the share that twice the strength takes: 2 is in proportion, at 1 the strength is idle
    measured: bool = True  # on an optimizer of the class; else by the group's flags and the name
    remark: str = ""

    @property
    def share_per_step(self) -> float:
        """The share of a weight lost per step, without a data gradient, in the long run, at the present rate."""
        return self.share(self.lr)

    def share(self, lr: float) -> float:
        """Return the share of a weight lost per step at a learning rate."""
        return self.per_lr * lr**self.lr_power if self.per_lr else 0.0


def measure_decay(optimizer: Optimizer, group: Mapping[str, Any], *, size: float = 1.0) -> Decay:
    """Measure the effect of an optimizer's decay on the weights of a group.

    ``size`` is that of the weights, for optimizers that rescale: Adam takes as much from a large one as from a small.
    """
    return DecayMeter(optimizer).measure(group, size=size)


def is_default_decay(optimizer: Optimizer, group: Mapping[str, Any]) -> bool:
    """Return True if a group's decay is the default of the optimizer's class, and not 0 (AdamW 0.01, Muon 0.1).

    Whether somebody wrote the number cannot be seen.
    """
    accepted = inspect.signature(type(innermost_optimizer(optimizer))).parameters
    default = accepted["weight_decay"].default if "weight_decay" in accepted else 0
    return isinstance(default, int | float) and default != 0 and weight_decay_of(group) == default


def weight_decay_of(group: Mapping[str, Any]) -> float:
    """Return a group's ``weight_decay``, 0 if it has none."""
    return float(group.get("weight_decay", 0.0) or 0.0)


def innermost_optimizer(optimizer: Optimizer) -> Optimizer:
    """Return the optimizer that takes the steps: SAM, Lookahead, Accelerate and others wrap it."""
    inner = [each for each in vars(optimizer).values() if isinstance(each, Optimizer) and each is not optimizer]
    return innermost_optimizer(inner[0]) if len(inner) == 1 else optimizer


class TrialConditions(NamedTuple):
    """The conditions of the trials for a group, whatever its learning rate and its strength."""

    options: Mapping[str, Any]
    ndim: int  # of the weights
    lr: float | None  # None where the optimizer finds its own
    key: str  # equal where all of this is


class DecayMeter:
    """Measures the effects of decays and penalties under an optimizer, once for each kind of group."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = innermost_optimizer(optimizer)
        self.known_traits: dict[str, OptimizerTraits | None] = {}
        self.step_lengths: dict[tuple[str, float, float, float], float] = {}
        self.scheduler_options = self.find_scheduler_options()

    def measure(self, group: Mapping[str, Any], *, ndim: int | None = None, size: float = 1.0) -> Decay:
        """Measure a group's own decay."""
        conditions, strength = self.conditions(group, ndim), weight_decay_of(group)
        traits = self.traits(conditions)
        if traits is None:
            return guess_decay(self.optimizer, group)
        found = decay_at(
            traits, traits.decay, strength, learning_rate(group), lambda s: self.lost_share(conditions, size, decay=s)
        )
        return add_own_decay(found, traits.own_decay / TRIAL_LR**traits.lr_power) if traits.own_decay else found

    def measure_penalty(
        self, group: Mapping[str, Any], coefficient: float, *, ndim: int | None = None, size: float = 1.0
    ) -> Decay:
        """Measure a penalty whose gradient is ``coefficient`` times the weight, torch's unit of coupled decay."""
        conditions, lr = self.conditions(group, ndim), learning_rate(group)
        traits = self.traits(conditions)
        if traits is None:
            return Decay(COUPLED, coefficient, lr, coefficient, measured=False)
        return decay_at(traits, traits.penalty, coefficient, lr, lambda s: self.lost_share(conditions, size, penalty=s))

    def find_scheduler_options(self) -> set[str]:
        """Return the options that only a scheduler has put into the groups: they are none of the optimizer's.

        Composer's optimizers have an ``initial_lr`` of their own, and their decay follows it.
        """
        group = self.optimizer.param_groups[0]
        options = {name: value for name, value in options_of(group).items() if name not in SCHEDULER_OPTIONS}
        return SCHEDULER_OPTIONS - default_option_names(self.optimizer, options, largest_ndim(group))

    def conditions(self, group: Mapping[str, Any], ndim: int | None) -> TrialConditions:
        """Return the conditions for a group, or for its parameters with ``ndim`` axes."""
        left_out = {"lr", "weight_decay"} | self.scheduler_options
        options = {name: value for name, value in options_of(group).items() if name not in left_out}
        axes, lr = largest_ndim(group) if ndim is None else ndim, None if math.isnan(learning_rate(group)) else TRIAL_LR
        return TrialConditions(options, axes, lr, repr((axes, lr, sorted(options.items()))))

    def traits(self, conditions: TrialConditions) -> OptimizerTraits | None:
        """Return the traits under these conditions, measured once; None if no such optimizer can be made."""
        if conditions.key not in self.known_traits:
            self.known_traits[conditions.key] = measure_traits(
                self.optimizer, conditions.options, conditions.ndim, conditions.lr
            )
        return self.known_traits[conditions.key]

    def lost_share(
        self, conditions: TrialConditions, size: float, *, decay: float = 0.0, penalty: float = 0.0
    ) -> tuple[float, float]:
        """Return the share of a weight of this size lost per step at TRIAL_LR, and its factor at twice the strength.

        Strengths and sizes are tried to one digit, so there are few of them. From there it goes by the power of the
        strength that was found.
        """
        near, d, p = one_digit(size), one_digit(decay), one_digit(penalty)
        once, twice = self.step_length(conditions, near, d, p), self.step_length(conditions, near, 2 * d, 2 * p)
        more = twice / once if once > 0 < twice else 2.0
        off = (decay + penalty) * size / ((d + p) * near)  # one of the two is 0
        return once * off ** math.log2(more) / size, more

    def step_length(self, conditions: TrialConditions, size: float, decay: float, penalty: float) -> float:
        """Return the length by which a step shrinks a weight because of a decay or a penalty."""
        key = (conditions.key, size, decay, penalty)
        if key not in self.step_lengths:
            run = partial(
                run_trial,
                self.optimizer,
                conditions.options,
                conditions.ndim,
                lr=conditions.lr,
                sizes=(size,),
                count=LONG_TRIAL_STEPS,
            )
            self.step_lengths[key] = -run(decay=decay, penalty=penalty).steps[0]
        return self.step_lengths[key] - (self.step_length(conditions, size, 0.0, 0.0) if decay or penalty else 0.0)


def largest_ndim(group: Mapping[str, Any]) -> int:
    """Return the largest number of axes of a group's parameters: some optimizers take matrices alone."""
    return max((each.ndim for each in group.get("params", ())), default=2)


def one_digit(value: float) -> float:
    """Round a number to one digit."""
    return float(f"{value:.0e}")


def decay_at(
    traits: OptimizerTraits,
    response: DecayResponse,
    strength: float,
    lr: float,
    lost_share: Callable[[float], tuple[float, float]],
) -> Decay:
    """Return the decay at a strength and a learning rate; ``lost_share`` tries it out if it is not in proportion."""
    kind = traits.kind(response)
    if strength == 0 or kind == NONE:
        return Decay(NONE, strength, lr, remark=UNUSED if strength else "")
    if not response.is_proportional:
        share, twice = lost_share(strength)
        return Decay(kind, strength, lr, min(share, 1.0) / TRIAL_LR**traits.lr_power, traits.lr_power, twice=twice)
    per_lr = response.without_gradient[0] * strength / TRIAL_STRENGTH / TRIAL_LR**traits.lr_power
    return Decay(
        kind,
        strength,
        lr,
        per_lr,
        traits.lr_power,
        response.without_gradient[0] / response.first_step if response.first_step else 1.0,
    )


def add_own_decay(found: Decay, own: float) -> Decay:
    """Add the decay that an optimizer has of its own, whatever its options."""
    kind = DECOUPLED if found.kind == NONE else found.kind
    remark = f"{own * found.lr:.3g} of the share is the optimizer's own, whatever its weight_decay"
    return replace(found, kind=kind, per_lr=found.per_lr + own, remark=remark)


def accepts_weight_decay(optimizer: Optimizer) -> bool:
    """Return True if the optimizer's class accepts ``weight_decay``, as far as its signature says."""
    accepted = inspect.signature(type(optimizer)).parameters
    return "weight_decay" in accepted or any(each.kind is each.VAR_KEYWORD for each in accepted.values())


def guess_decay(optimizer: Optimizer, group: Mapping[str, Any]) -> Decay:
    """Guess the decay of an optimizer that cannot be tried out, by its group's flags and its class's name."""
    strength, lr, name = weight_decay_of(group), learning_rate(group), type(optimizer).__name__
    if strength == 0:
        return Decay(NONE, strength, lr, measured=False)
    if not accepts_weight_decay(optimizer):  # SparseAdam and LBFGS keep it in their groups and never look
        return Decay(NONE, strength, lr, measured=False, remark=UNUSED)
    flagged = any(group.get(flag) for flag in DECOUPLED_FLAGS) or getattr(optimizer, "adam_w_mode", False)
    if flagged or any(word in name for word in ("AdamW", "SGDW", "Lion", "Muon", "Decoupled")):
        kind, per_lr = DECOUPLED, strength
    else:
        kind, per_lr = (COUPLED, strength) if "SGD" in name else (RESCALED, 1.0)
    return Decay(kind, strength, lr, per_lr, measured=False, remark=f"by the name {name}; it could not be tried out")
