"""What an optimizer does to a weight because of its decay: measured on a few weights that nobody needs.

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

from bridle_audit.decay.rates import options_of, rate_of
from bridle_audit.decay.trials import (
    KINDS,
    MANY,
    RATE,
    STRENGTH,
    Reaction,
    Traits,
    long_run,
    own_options,
    traits_of,
)

NONE, DECOUPLED, COUPLED, RESCALED = KINDS
UNUSED = "the optimizer does not use it"
FLAGS = ("decoupled_weight_decay", "weight_decouple", "decoupled_decay", "decouple")  # as libraries name them
SCHEDULED = {"initial_lr", "max_lr", "min_lr", "swa_lr", "base_momentum", "max_momentum"}  # by torch's schedulers


@dataclass(frozen=True)
class Decay:
    """What becomes of a weight through decay alone."""

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
        """The share of a weight that a step takes without a data gradient, in the long run, at the rate of now."""
        return self.share(self.lr)

    def share(self, lr: float) -> float:
        """The same at another learning rate."""
        return self.per_lr * lr**self.lr_power if self.per_lr else 0.0


def measured_decay(optimizer: Optimizer, group: Mapping[str, Any], *, size: float = 1.0) -> Decay:
    """What the optimizer does to the weights of a group because of its decay.

    ``size`` is that of the weights, for optimizers that rescale: Adam takes as much from a large one as from a small.
    """
    return Decays(optimizer).of(group, size=size)


def stated_by_default(optimizer: Optimizer, group: Mapping[str, Any]) -> bool:
    """Whether the group's decay equals the default of the optimizer's class, and that is not 0 (AdamW 0.01, Muon 0.1).

    Whether somebody wrote the number cannot be seen.
    """
    taken = inspect.signature(type(innermost(optimizer))).parameters
    default = taken["weight_decay"].default if "weight_decay" in taken else 0
    return isinstance(default, int | float) and default != 0 and strength_of(group) == default


def strength_of(group: Mapping[str, Any]) -> float:
    """A group's decay, in its optimizer's unit."""
    return float(group.get("weight_decay", 0.0) or 0.0)


def innermost(optimizer: Any) -> Any:
    """The optimizer that takes the steps: SAM, Lookahead, Accelerate and others hold it in themselves."""
    inner = [each for each in vars(optimizer).values() if isinstance(each, Optimizer) and each is not optimizer]
    return innermost(inner[0]) if len(inner) == 1 else optimizer


class Bench(NamedTuple):
    """What trials for a group have in common, whatever its learning rate and its strength."""

    options: Mapping[str, Any]
    ndim: int  # of the weights
    lr: float | None  # None where the optimizer finds its own
    name: str  # which is the same where all of this is


class Decays:
    """What an optimizer does to weights; each kind of group is measured once."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = innermost(optimizer)
        self.known: dict[str, Traits | None] = {}
        self.lengths: dict[tuple[str, float, float, float], float] = {}
        self.of_schedulers = self.written_by_schedulers()

    def of(self, group: Mapping[str, Any], *, ndim: int | None = None, size: float = 1.0) -> Decay:
        """By the group's own decay."""
        bench, strength = self.bench(group, ndim), strength_of(group)
        traits = self.traits(bench)
        if traits is None:
            return by_flags(self.optimizer, group)
        found = decay_of(traits, traits.decay, strength, rate_of(group), lambda s: self.taken(bench, size, decay=s))
        return with_own(found, traits.own / RATE**traits.lr_power) if traits.own else found

    def of_penalty(
        self, group: Mapping[str, Any], coefficient: float, *, ndim: int | None = None, size: float = 1.0
    ) -> Decay:
        """By a penalty whose gradient is ``coefficient`` times the weight, in torch's unit of coupled decay."""
        bench, lr = self.bench(group, ndim), rate_of(group)
        traits = self.traits(bench)
        if traits is None:
            return Decay(COUPLED, coefficient, lr, coefficient, measured=False)
        return decay_of(traits, traits.penalty, coefficient, lr, lambda s: self.taken(bench, size, penalty=s))

    def written_by_schedulers(self) -> set[str]:
        """The options that only a scheduler has put into the groups: they are no part of what the optimizer does.

        Composer's optimizers have an ``initial_lr`` of their own, and their decay follows it.
        """
        group = self.optimizer.param_groups[0]
        options = {name: value for name, value in options_of(group).items() if name not in SCHEDULED}
        return SCHEDULED - own_options(self.optimizer, options, axes_of(group))

    def bench(self, group: Mapping[str, Any], ndim: int | None) -> Bench:
        """That of a group, or of its parameters with so many axes."""
        left_out = {"lr", "weight_decay"} | self.of_schedulers
        options = {name: value for name, value in options_of(group).items() if name not in left_out}
        axes, lr = axes_of(group) if ndim is None else ndim, None if math.isnan(rate_of(group)) else RATE
        return Bench(options, axes, lr, repr((axes, lr, sorted(options.items()))))

    def traits(self, bench: Bench) -> Traits | None:
        """What was measured there, or is now; ``None`` where no such optimizer can be made."""
        if bench.name not in self.known:
            self.known[bench.name] = traits_of(self.optimizer, bench.options, bench.ndim, bench.lr)
        return self.known[bench.name]

    def taken(self, bench: Bench, size: float, *, decay: float = 0.0, penalty: float = 0.0) -> tuple[float, float]:
        """The share of a weight of this size that a step takes at RATE; and how much more twice the strength takes.

        Strengths and sizes are tried to one digit, so there are few of them. From there it goes by the power of the
        strength that was found.
        """
        near, d, p = digit(size), digit(decay), digit(penalty)
        once, twice = self.length(bench, near, d, p), self.length(bench, near, 2 * d, 2 * p)
        more = twice / once if once > 0 < twice else 2.0
        off = (decay + penalty) * size / ((d + p) * near)  # one of the two is 0
        return once * off ** math.log2(more) / size, more

    def length(self, bench: Bench, size: float, decay: float, penalty: float) -> float:
        """How far a step takes a weight because of a decay or a penalty."""
        key = (bench.name, size, decay, penalty)
        if key not in self.lengths:
            run = partial(long_run, self.optimizer, bench.options, bench.ndim, lr=bench.lr, sizes=(size,), count=MANY)
            self.lengths[key] = -run(decay=decay, penalty=penalty).steps[0]
        return self.lengths[key] - (self.length(bench, size, 0.0, 0.0) if decay or penalty else 0.0)


def axes_of(group: Mapping[str, Any]) -> int:
    """How many axes the group's parameters have, most of them: some optimizers take matrices alone."""
    return max((each.ndim for each in group.get("params", ())), default=2)


def digit(value: float) -> float:
    """The number to one digit."""
    return float(f"{value:.0e}")


def decay_of(
    traits: Traits, of: Reaction, strength: float, lr: float, taken: Callable[[float], tuple[float, float]]
) -> Decay:
    """A decay of this strength at this learning rate; ``taken`` tries it out where it is not in proportion."""
    kind = traits.kind(of)
    if strength == 0 or kind == NONE:
        return Decay(NONE, strength, lr, remark=UNUSED if strength else "")
    if not of.in_proportion:
        share, twice = taken(strength)
        return Decay(kind, strength, lr, min(share, 1.0) / RATE**traits.lr_power, traits.lr_power, twice=twice)
    per_lr = of.silent[0] * strength / STRENGTH / RATE**traits.lr_power
    return Decay(kind, strength, lr, per_lr, traits.lr_power, of.silent[0] / of.first if of.first else 1.0)


def with_own(found: Decay, own: float) -> Decay:
    """A decay to which the optimizer adds one of its own."""
    kind = DECOUPLED if found.kind == NONE else found.kind
    remark = f"{own * found.lr:.3g} of the share is the optimizer's own, whatever its weight_decay"
    return replace(found, kind=kind, per_lr=found.per_lr + own, remark=remark)


def takes_decay(optimizer: Any) -> bool:
    """Whether the optimizer's class has such a setting, as far as its signature says."""
    taken = inspect.signature(type(optimizer)).parameters
    return "weight_decay" in taken or any(each.kind is each.VAR_KEYWORD for each in taken.values())


def by_flags(optimizer: Any, group: Mapping[str, Any]) -> Decay:
    """What the group says of itself, and the class by its name: for optimizers that cannot be tried out."""
    strength, lr, name = strength_of(group), rate_of(group), type(optimizer).__name__
    if strength == 0:
        return Decay(NONE, strength, lr, measured=False)
    if not takes_decay(optimizer):  # SparseAdam and LBFGS keep it in their groups and never look
        return Decay(NONE, strength, lr, measured=False, remark=UNUSED)
    flagged = any(group.get(flag) for flag in FLAGS) or getattr(optimizer, "adam_w_mode", False)
    if flagged or any(word in name for word in ("AdamW", "SGDW", "Lion", "Muon", "Decoupled")):
        kind, per_lr = DECOUPLED, strength
    else:
        kind, per_lr = (COUPLED, strength) if "SGD" in name else (RESCALED, 1.0)
    return Decay(kind, strength, lr, per_lr, measured=False, remark=f"by the name {name}; it could not be tried out")
