"""The learning rates that are to come, asked of a copy: the user's scheduler and optimizer stay as they are."""

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

MUCH = 10  # a scheduler this many times shorter than the training counts epochs
VANISHED = (
    1e-6  # no training runs at this share of its learning rate; a scheduler that would bring it here counts epochs
)
USUAL_END = 1e-2  # the share at which a training with exponential decay usually ends

# Note [epochs]
# Nothing in a scheduler says whether its step() is called per batch or per epoch, but its length betrays it:
# CosineAnnealingLR(T_max=90) in 100,000 steps counts epochs. A scheduler that is MUCH shorter than the training is
# taken to be as long as the training: its ticks are spread evenly over the steps. Three lengths are a guess: the
# stretch behind the last milestone is as long as the one before it (30, 60 of 90; 100, 150 of 200); StepLR has three
# stretches; ExponentialLR ends at a hundredth. The last two count steps unless the rate would vanish. Whoever knows
# better says `every`.


@runtime_checkable
class Scheduler(Protocol):
    """What moves an optimizer's learning rates: torch's schedulers, and those made in their image."""

    optimizer: Any

    def step(self) -> None:
        """Go on by one."""


@runtime_checkable
class Schedule(Protocol):
    """A number that moves as the training passes: bridle's schedules, and those made in their image."""

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The first value and the last."""

    def at(self, passed: float) -> float:
        """The value when this share of the training has passed."""


Rates = Scheduler | Schedule | Callable[[int], float] | Sequence[float] | np.ndarray | None
Lengths = Mapping[type, Callable[[Any], float | None]]


class StandIn(Optimizer):
    """The groups of another optimizer with one number each for parameters: a scheduler may move it as it likes."""

    def __init__(self, optimizer: Optimizer) -> None:
        groups = [{**options_of(group), "params": [torch.zeros(1)]} for group in optimizer.param_groups]
        super().__init__(groups, copy.deepcopy(getattr(optimizer, "defaults", {})))

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Nothing."""


def options_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a group's options, without its parameters."""
    return copy.deepcopy({name: value for name, value in group.items() if name not in ("params", "param_names")})


def rate_of(group: Mapping[str, Any]) -> float:
    """A group's learning rate now; NaN where the optimizer finds its own."""
    lr = group.get("lr")
    return math.nan if lr is None else float(lr)


def learning_rates(
    optimizer: Optimizer, schedule: Rates, steps: int, *, every: float | None = None
) -> list[list[float]]:
    """The learning rates of the next ``steps`` optimizer steps, a list for each group of the optimizer.

    ``schedule`` is a scheduler, at its present state; a function of the step or a bridle schedule, which gives a factor
    of each group's initial rate; the rates themselves, for all groups, spread evenly where they are fewer than the
    steps; or ``None`` for what does not change. The scheduler's ``step()`` is called once in ``every`` optimizer steps:
    1, unless it is so much shorter than the training that it must count epochs; then it is spread evenly over the steps
    (Note [epochs]). A ReduceLROnPlateau moves by what it is told of the training, so it is taken to stay.
    """
    found: list[list[float]] = rates_array(optimizer, schedule, steps, every).tolist()
    return found


def rates_array(optimizer: Optimizer, schedule: Rates, steps: int, every: float | None = None) -> np.ndarray:
    """The same as an array (groups, steps)."""
    if steps < 1:
        raise InputError(f"steps must be the number of optimizer steps to come, at least 1, got {steps!r}")
    if isinstance(schedule, Schedule):
        return factors(optimizer, [schedule.at(step / steps) for step in range(steps)])
    scheduler = unwrapped(schedule)
    if isinstance(scheduler, Scheduler):
        return asked(optimizer, scheduler, steps, every)
    if callable(schedule):
        return factors(optimizer, [float(schedule(step)) for step in range(steps)])
    now = [rate_of(group) for group in optimizer.param_groups]
    return np.tile(np.array(now)[:, None], steps) if schedule is None else given(np.asarray(schedule), len(now), steps)


def factors(optimizer: Optimizer, values: Sequence[float]) -> np.ndarray:
    """The factors, times each group's initial learning rate."""
    initial = [rate_of({"lr": group.get("initial_lr", group.get("lr"))}) for group in optimizer.param_groups]
    return np.outer(initial, values)


def given(values: np.ndarray, groups: int, steps: int) -> np.ndarray:
    """The learning rates that were given, spread evenly over the steps."""
    if values.ndim != 1 or not 1 <= len(values) <= steps:
        raise InputError(
            f"the learning rates of {steps} steps are a sequence of at most that many numbers (fewer are spread "
            f"evenly), a function of the step or a scheduler; got values of shape {values.shape}"
        )
    return np.tile(values.astype(float)[np.arange(steps) * len(values) // steps], (groups, 1))


def unwrapped(schedule: Any) -> Any:
    """The scheduler inside, where it stands in another that has none of the optimizers for itself (Accelerate's)."""
    inner = getattr(schedule, "scheduler", None)
    return inner if isinstance(inner, Scheduler) and not isinstance(schedule, Scheduler) else schedule


def asked(optimizer: Optimizer, scheduler: Scheduler, steps: int, every: float | None) -> np.ndarray:
    """What a copy of the scheduler does to a stand-in of the optimizer."""
    moved = scheduler.optimizer
    if not same_groups(optimizer, moved):
        raise InputError(
            f"the {type(scheduler).__name__} moves another optimizer ({type(moved).__name__}); make it with the one "
            f"that trains the model"
        )
    stand_in = StandIn(moved)
    copied = copy_of(scheduler, {id(optimizer): stand_in, id(moved): stand_in})
    pace = every if every else pace_of(scheduler, steps)
    rates, ticks = np.empty((len(stand_in.param_groups), steps)), 0
    for step in range(steps):
        while ticks < math.floor(step / pace + 1e-9):
            ticks += 1
            if not tick(copied, ticks):
                pace = math.inf
        rates[:, step] = [rate_of(group) for group in stand_in.param_groups]
    return rates


def same_groups(one: Any, other: Any) -> bool:
    """Whether two optimizers are one, or one of them wraps the other."""
    ours, theirs = getattr(one, "param_groups", []), getattr(other, "param_groups", [])
    return len(ours) == len(theirs) > 0 and all(a is b for a, b in zip(ours, theirs, strict=True))


def copy_of(scheduler: Scheduler, memo: dict[int, Any]) -> Any:
    """A copy of a scheduler that moves the stand-in."""
    try:
        return copy.deepcopy(scheduler, memo)
    except Exception as error:
        raise InputError(
            f"the {type(scheduler).__name__} cannot be copied ({error}), and the audit does not move yours; give the "
            f"learning rates as a function of the step instead"
        ) from error


def tick(scheduler: Any, count: int) -> bool:
    """One call of the scheduler's ``step()``, in the way that its library wants it; whether it could be called."""
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a step() of the optimizer that was not called
        try:
            if hasattr(scheduler, "step_update"):  # timm's
                scheduler.step(count)
                scheduler.step_update(count)
            else:
                scheduler.step()
        except ValueError:  # OneCycleLR's, at its end
            return False
    return True


def pace_of(scheduler: Any, steps: int) -> float:
    """How many optimizer steps there are to one of the scheduler (Note [epochs])."""
    length = length_of(scheduler, steps)
    if length is None or not 0 < length * MUCH <= steps:
        return 1.0
    left = length - max(getattr(scheduler, "last_epoch", 0), 0)
    return steps / left if left > 0 else math.inf


def length_of(scheduler: Any, steps: int) -> float | None:
    """How many ticks a scheduler needs to come to its end; ``None`` where it has none, or it plainly counts steps."""
    if isinstance(scheduler, lr_scheduler.StepLR | lr_scheduler.ExponentialLR):
        return length_of_powers(scheduler.gamma, getattr(scheduler, "step_size", 1), steps)
    for kind, length in LENGTHS.items():
        if isinstance(scheduler, kind):
            return length(scheduler)
    return getattr(scheduler, "t_initial", None)  # timm's


def length_of_powers(gamma: float, stretch: int, steps: int) -> float | None:
    """Of a rate that is multiplied by ``gamma`` again and again."""
    if not 0 < gamma < 1 or steps / stretch * math.log(gamma) > math.log(VANISHED):
        return None
    return 3.0 * stretch if stretch > 1 else math.log(USUAL_END) / math.log(gamma)


def length_of_milestones(scheduler: Any) -> float | None:
    """Of a rate that drops at milestones."""
    milestones = [0, *sorted(scheduler.milestones.elements())]
    return 2.0 * milestones[-1] - milestones[-2] if len(milestones) > 1 else None


def length_of_line(scheduler: Any) -> float | None:
    """Of a straight line down; a line up is a warm-up, and no training ends with it."""
    return float(scheduler.total_iters) if scheduler.end_factor < scheduler.start_factor else None


def length_of_sequence(scheduler: Any) -> float | None:
    """Of schedulers one after the other."""
    last = length_of(scheduler._schedulers[-1], 0)
    return None if last is None else scheduler._milestones[-1] + last


def length_of_chain(scheduler: Any) -> float | None:
    """Of schedulers that act together."""
    known = [length for each in scheduler._schedulers if (length := length_of(each, 0)) is not None]
    return max(known, default=None)


LENGTHS: Lengths = {
    lr_scheduler.CosineAnnealingLR: lambda scheduler: scheduler.T_max,
    lr_scheduler.OneCycleLR: lambda scheduler: scheduler.total_steps,
    lr_scheduler.PolynomialLR: lambda scheduler: scheduler.total_iters,
    lr_scheduler.LinearLR: length_of_line,
    lr_scheduler.MultiStepLR: length_of_milestones,
    lr_scheduler.SequentialLR: length_of_sequence,
    lr_scheduler.ChainedScheduler: length_of_chain,
}
