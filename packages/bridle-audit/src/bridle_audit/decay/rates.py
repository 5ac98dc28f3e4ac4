"""The learning rates of the steps to come, simulated on a copy: the user's scheduler and optimizer stay as they are."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.optim import Optimizer, lr_scheduler

from bridle_audit.errors import InputError

__all__ = ["ScheduleLike", "learning_rate", "learning_rate_array", "learning_rates", "options_of"]

EPOCH_RATIO = 10  # a scheduler this many times shorter than the training counts epochs
# No training runs at this share of its learning rate; a scheduler that would bring it here counts epochs.
VANISHED = 1e-6
USUAL_END = 1e-2  # the share at which a training with exponential decay usually ends

# Note [epochs]
# Nothing in a scheduler says whether its step() is called per batch or per epoch, but its length betrays it:
# CosineAnnealingLR(T_max=90) in 100,000 steps counts epochs. A scheduler that is EPOCH_RATIO times shorter than the
# training is taken to be as long as the training: its ticks are spread evenly over the steps. Three lengths are a
# guess: the stretch behind the last milestone is as long as the one before it (30, 60 of 90; 100, 150 of 200); StepLR
# has three stretches; ExponentialLR ends at a hundredth. The last two count steps unless the rate would vanish. Whoever
# knows better says `every`.


@runtime_checkable
class Scheduler(Protocol):
    """A scheduler of an optimizer's learning rates: torch's, and those made in their image."""

    optimizer: Any

    def step(self) -> None:
        """Go on by one step or epoch."""


@runtime_checkable
class TimmScheduler(Protocol):
    """A scheduler of timm's, which is told the numbers of the epoch and of the update."""

    def step(self, epoch: int) -> None:
        """Set the learning rates of an epoch."""

    def step_update(self, num_updates: int) -> None:
        """Set the learning rates of an update."""


@runtime_checkable
class ScheduledNumber(Protocol):
    """A number that changes as the training passes: bridle's schedules, and those made in their image."""

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The first value and the last."""

    def at(self, passed: float) -> float:
        """Return the value when this share of the training has passed."""


# ReduceLROnPlateau is no Scheduler: its step takes a metric
ScheduleLike = (
    Scheduler
    | lr_scheduler.ReduceLROnPlateau
    | ScheduledNumber
    | Callable[[int], float]
    | Sequence[float]
    | np.ndarray
    | None
)
LengthFunctions = Mapping[type, Callable[[Any], float | None]]


class StandInOptimizer(Optimizer):
    """An optimizer with the groups of another and one number each for parameters, for a scheduler to act on."""

    def __init__(self, optimizer: Optimizer) -> None:
        groups = [{**options_of(group), "params": [torch.zeros(1)]} for group in optimizer.param_groups]
        super().__init__(groups, copy.deepcopy(getattr(optimizer, "defaults", {})))


def options_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a group's options, without its parameters."""
    return copy.deepcopy({name: value for name, value in group.items() if name not in ("params", "param_names")})


def learning_rate(group: Mapping[str, Any]) -> float:
    """Return a group's present learning rate; NaN if the optimizer finds its own."""
    lr = group.get("lr")
    return math.nan if lr is None else float(lr)


def learning_rates(
    optimizer: Optimizer, schedule: ScheduleLike, steps: int, *, every: float | None = None
) -> list[list[float]]:
    """Return the learning rates of the next ``steps`` optimizer steps, a list for each group of the optimizer.

    ``schedule`` is a scheduler, at its present state; a function of the step or a bridle schedule, which gives a factor
    of each group's initial rate; the rates themselves, for all groups, spread evenly where they are fewer than the
    steps; or ``None`` for what does not change. The scheduler's ``step()`` is called once in ``every`` optimizer steps:
    1, unless it is so much shorter than the training that it must count epochs; then it is spread evenly over the steps
    (Note [epochs]). A ReduceLROnPlateau moves by what it is told of the training, so it is taken to stay.
    """
    found: list[list[float]] = learning_rate_array(optimizer, schedule, steps, every).tolist()
    return found


def learning_rate_array(
    optimizer: Optimizer, schedule: ScheduleLike, steps: int, every: float | None = None
) -> np.ndarray:
    """Return the learning rates of the next steps as an array (groups, steps); see :func:`learning_rates`."""
    if steps < 1:
        raise InputError(f"steps must be the number of optimizer steps to come, at least 1, got {steps!r}")
    if isinstance(schedule, ScheduledNumber):
        return scale_initial_rates(optimizer, [schedule.at(step / steps) for step in range(steps)])
    scheduler = innermost_scheduler(schedule)
    if isinstance(scheduler, Scheduler):
        return simulate_scheduler(optimizer, scheduler, steps, every)
    if callable(schedule):
        return scale_initial_rates(optimizer, [float(schedule(step)) for step in range(steps)])
    now = [learning_rate(group) for group in optimizer.param_groups]
    return (
        np.tile(np.array(now)[:, None], steps)
        if schedule is None
        else spread_rates(np.asarray(schedule), len(now), steps)
    )


def scale_initial_rates(optimizer: Optimizer, values: Sequence[float]) -> np.ndarray:
    """Return each group's initial learning rate times the factors, as an array (groups, steps)."""
    initial = [learning_rate({"lr": group.get("initial_lr", group.get("lr"))}) for group in optimizer.param_groups]
    return np.outer(initial, values)


def spread_rates(values: np.ndarray, groups: int, steps: int) -> np.ndarray:
    """Return given learning rates, spread evenly over the steps, as an array (groups, steps)."""
    if values.ndim != 1 or not 1 <= len(values) <= steps:
        raise InputError(
            f"the learning rates of {steps} steps are a sequence of at most that many numbers (fewer are spread "
            f"evenly), a function of the step or a scheduler; got values of shape {values.shape}"
        )
    return np.tile(values.astype(float)[np.arange(steps) * len(values) // steps], (groups, 1))


def innermost_scheduler(schedule: object) -> object:
    """Return the scheduler within a wrapper that has no optimizer of its own (Accelerate's)."""
    inner = getattr(schedule, "scheduler", None)
    return inner if isinstance(inner, Scheduler) and not isinstance(schedule, Scheduler) else schedule


def simulate_scheduler(optimizer: Optimizer, scheduler: Scheduler, steps: int, every: float | None) -> np.ndarray:
    """Return the learning rates that a copy of the scheduler gives a stand-in of the optimizer, (groups, steps)."""
    moved = scheduler.optimizer
    if not share_groups(optimizer, moved):
        raise InputError(
            f"the {type(scheduler).__name__} moves another optimizer ({type(moved).__name__}); make it with the one "
            f"that trains the model"
        )
    stand_in = StandInOptimizer(moved)
    copied = copy_scheduler(scheduler, {id(optimizer): stand_in, id(moved): stand_in})
    pace = every if every else steps_per_tick(scheduler, steps)
    rates, ticks = np.empty((len(stand_in.param_groups), steps)), 0
    for step in range(steps):
        while ticks < math.floor(step / pace + 1e-9):
            ticks += 1
            if not step_scheduler(copied, ticks):
                pace = math.inf
        rates[:, step] = [learning_rate(group) for group in stand_in.param_groups]
    return rates


def share_groups(one: object, other: object) -> bool:
    """Return True if two optimizers are one, or one of them wraps the other."""
    ours, theirs = getattr(one, "param_groups", []), getattr(other, "param_groups", [])
    return len(ours) == len(theirs) > 0 and all(a is b for a, b in zip(ours, theirs, strict=True))


def copy_scheduler(scheduler: Scheduler, memo: dict[int, Any]) -> Scheduler:
    """Copy a scheduler, with the optimizers in it replaced by those in ``memo``."""
    try:
        return copy.deepcopy(scheduler, memo)
    except Exception as error:
        raise InputError(
            f"the {type(scheduler).__name__} cannot be copied ({error}), and the audit does not move yours; give the "
            f"learning rates as a function of the step instead"
        ) from error


def step_scheduler(scheduler: Scheduler, count: int) -> bool:
    """Call the scheduler's ``step()`` in the way of its library; return False if it cannot be called any more."""
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a step() of the optimizer that was not called
        try:
            if isinstance(scheduler, TimmScheduler):
                scheduler.step(count)
                scheduler.step_update(count)
            else:
                scheduler.step()
        except ValueError:  # OneCycleLR's, at its end
            return False
    return True


def steps_per_tick(scheduler: Scheduler, steps: int) -> float:
    """Return the number of optimizer steps to one of the scheduler (Note [epochs])."""
    length = scheduler_length(scheduler, steps)
    if length is None or not 0 < length * EPOCH_RATIO <= steps:
        return 1.0
    left = length - max(getattr(scheduler, "last_epoch", 0), 0)
    return steps / left if left > 0 else math.inf


def scheduler_length(scheduler: Scheduler, steps: int) -> float | None:
    """Return the number of a scheduler's steps to its end; None if it has none, or plainly counts optimizer steps."""
    if isinstance(scheduler, lr_scheduler.StepLR):
        return exponential_length(scheduler.gamma, scheduler.step_size, steps)
    if isinstance(scheduler, lr_scheduler.ExponentialLR):
        return exponential_length(scheduler.gamma, 1, steps)
    for kind, length in LENGTHS.items():
        if isinstance(scheduler, kind):
            return length(scheduler)
    return getattr(scheduler, "t_initial", None)  # timm's


def exponential_length(gamma: float, stretch: int, steps: int) -> float | None:
    """Return the length of a scheduler that multiplies the rate by ``gamma`` every ``stretch`` steps."""
    if not 0 < gamma < 1 or steps / stretch * math.log(gamma) > math.log(VANISHED):
        return None
    return 3.0 * stretch if stretch > 1 else math.log(USUAL_END) / math.log(gamma)


def milestone_length(scheduler: lr_scheduler.MultiStepLR) -> float | None:
    """Return the length of a scheduler that drops the rate at milestones."""
    milestones = [0, *sorted(scheduler.milestones.elements())]
    return 2.0 * milestones[-1] - milestones[-2] if len(milestones) > 1 else None


def linear_length(scheduler: lr_scheduler.LinearLR) -> float | None:
    """Return the length of a linear decay; None for a linear warm-up, as no training ends with it."""
    return float(scheduler.total_iters) if scheduler.end_factor < scheduler.start_factor else None


def sequential_length(scheduler: lr_scheduler.SequentialLR) -> float | None:
    """Return the length of schedulers one after the other."""
    last = scheduler_length(scheduler._schedulers[-1], 0)
    return None if last is None else scheduler._milestones[-1] + last


def chained_length(scheduler: lr_scheduler.ChainedScheduler) -> float | None:
    """Return the length of schedulers that act together: that of the longest."""
    known = [length for each in scheduler._schedulers if (length := scheduler_length(each, 0)) is not None]
    return max(known, default=None)


LENGTHS: LengthFunctions = {
    lr_scheduler.CosineAnnealingLR: lambda scheduler: scheduler.T_max,
    lr_scheduler.OneCycleLR: lambda scheduler: scheduler.total_steps,
    lr_scheduler.PolynomialLR: lambda scheduler: scheduler.total_iters,
    lr_scheduler.LinearLR: linear_length,
    lr_scheduler.MultiStepLR: milestone_length,
    lr_scheduler.SequentialLR: sequential_length,
    lr_scheduler.ChainedScheduler: chained_length,
}
