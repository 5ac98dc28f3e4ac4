"""Trials of an optimizer: its steps on weights that nobody needs, with decay, with a penalty and with neither."""

from __future__ import annotations

import inspect
import io
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = [
    "COUPLED",
    "DECOUPLED",
    "KINDS",
    "LONG_TRIAL_STEPS",
    "RESCALED",
    "TRIAL_LR",
    "TRIAL_STRENGTH",
    "DecayResponse",
    "OptimizerTraits",
    "default_option_names",
    "measure_traits",
    "run_trial",
]

KINDS = ("none", "decoupled", "coupled", "coupled, rescaled by the optimizer")
NONE, DECOUPLED, COUPLED, RESCALED = KINDS

TRIAL_STRENGTH, TRIAL_LR = 0.1, 1e-2  # large enough for double precision, whatever the user's are
TRIAL_STEPS = 16  # RAdam rescales from its sixth step on
SLOWEST = 0.9985  # the square of the largest momentum; what settles more slowly is a step that shrinks, as ASGD's
LONG_TRIAL_STEPS = 256  # until an optimizer that rescales is near its long run
WEIGHT_SIZES = (1.0, 2.0)  # whoever shrinks them in proportion takes twice as much of the second
TOLERANCE = 1e-3  # relative; the differences between the kinds are of the order of 1
SMALLEST_STEP = 1e-13  # a shorter way is rounding
PLAIN_OPTIONS = {
    "foreach": False,
    "fused": False,
    "capturable": False,
    "differentiable": False,
}  # how a step is computed

# Note [held weights]
# The weights are put back after every step, so that after a few steps a step is what it is in the long run: with
# momentum the gradient of a penalty adds up to 1 / (1 - momentum) times itself. As this comes about geometrically, the
# end is known after three steps (Aitken). With data gradients, these are 1 and -1 in turn and two steps are one.


class DecayResponse(NamedTuple):
    """The change of a step by a decay or a penalty: the length by which each weight comes closer to zero."""

    without_gradient: tuple[float, ...]  # for each size, in the long run
    first_step: float  # without a gradient, for the first size
    with_gradient: tuple[float, ...]  # with data gradients of size 1
    momentum_only: float  # without a gradient, the part that comes from the momentum alone
    doubled: float  # without a gradient, for the first size, at twice the strength

    @property
    def is_proportional(self) -> bool:
        """True if a weight loses the same share whatever its size and its gradient."""
        one, two = self.without_gradient
        pairs = zip(self.without_gradient, self.with_gradient, strict=True)
        return nearly_equal(two, 2 * one) and all(nearly_equal(*each) for each in pairs)

    def matches(self, other: DecayResponse) -> bool:
        """Return True if the response equals another but for rounding."""
        ours = (*self.without_gradient, *self.with_gradient, self.momentum_only)
        theirs = (*other.without_gradient, *other.with_gradient, other.momentum_only)
        return all(nearly_equal(a, b, max(map(abs, self.without_gradient))) for a, b in zip(ours, theirs, strict=True))


def nearly_equal(one: float, other: float, scale: float = 0.0) -> bool:
    """Return True if two lengths are equal but for rounding, relative to the largest and ``scale``."""
    return abs(one - other) <= TOLERANCE * max(abs(one), abs(other), scale)


class OptimizerTraits(NamedTuple):
    """The responses of an optimizer to a decay and a penalty at TRIAL_STRENGTH and TRIAL_LR."""

    decay: DecayResponse
    penalty: DecayResponse
    own_decay: float  # the share that it takes with no decay and no gradient: ASGD's lambd
    lr_power: int

    def kind(self, response: DecayResponse) -> str:
        """Return the kind of decay that a response shows, one of KINDS."""
        if max(map(abs, (*response.without_gradient, *response.with_gradient))) <= SMALLEST_STEP:
            return NONE
        if response.matches(self.penalty):
            return COUPLED if response.is_proportional else RESCALED
        if response.is_proportional:
            return DECOUPLED
        doubles = nearly_equal(response.doubled, 2 * response.without_gradient[0])
        stays = doubles and abs(response.momentum_only) <= SMALLEST_STEP
        return DECOUPLED if stays else RESCALED  # LAMB has the decay inside what it rescales


def measure_traits(
    optimizer: Optimizer, options: Mapping[str, Any], ndim: int, lr: float | None
) -> OptimizerTraits | None:
    """Measure the traits of an optimizer's class and options; None if a new one cannot be made or take a step."""
    run = partial(run_trial, optimizer, options, ndim, lr=lr)
    try:
        still, driven = run(), run(gradient=1.0)
        runs = run(decay=TRIAL_STRENGTH), run(decay=TRIAL_STRENGTH, gradient=1.0), run(decay=2 * TRIAL_STRENGTH)
        decay = decay_response(still, driven, *runs)
        runs = run(penalty=TRIAL_STRENGTH), run(penalty=TRIAL_STRENGTH, gradient=1.0), run(penalty=2 * TRIAL_STRENGTH)
        penalty = decay_response(still, driven, *runs)
        fast = lr and 2 * lr
        faster = run(lr=fast).steps[0] - run(lr=fast, decay=TRIAL_STRENGTH).steps[0]
    except Exception:  # other people's code, made for other weights than these
        return None
    own = [-moved / size for moved, size in zip(still.steps, WEIGHT_SIZES, strict=True)]
    ratio = faster / decay.without_gradient[0] if decay.without_gradient[0] > 0 < faster else 2.0
    own_decay = own[0] if own[0] > 0 and nearly_equal(*own) else 0.0
    return OptimizerTraits(decay, penalty, own_decay, round(math.log2(ratio)))


class TrialResult(NamedTuple):
    """The lengths of a step for each of the weights."""

    steps: list[float]  # in the long run
    first_step: list[float]
    momentum_only: float  # in the last step, with the weight at 0 and nothing but momentum left


def decay_response(
    still: TrialResult, driven: TrialResult, still_with: TrialResult, driven_with: TrialResult, with_twice: TrialResult
) -> DecayResponse:
    """Return the response to a decay: the difference of the trials with and without it, towards zero."""
    return DecayResponse(
        tuple(a - b for a, b in zip(still.steps, still_with.steps, strict=True)),
        still.first_step[0] - still_with.first_step[0],
        tuple(a - b for a, b in zip(driven.steps, driven_with.steps, strict=True)),
        still.momentum_only - still_with.momentum_only,
        still.steps[0] - with_twice.steps[0],
    )


@torch.no_grad()
def run_trial(
    optimizer: Optimizer,
    options: Mapping[str, Any],
    ndim: int,
    *,
    lr: float | None,
    decay: float = 0.0,
    penalty: float = 0.0,
    gradient: float = 0.0,
    sizes: Sequence[float] = WEIGHT_SIZES,
    count: int = TRIAL_STEPS,
) -> TrialResult:
    """Run a new optimizer on weights that are held (Note [held weights])."""
    weights = [nn.Parameter(torch.full((2,) * ndim, size, dtype=torch.float64, device="cpu")) for size in sizes]
    with silenced(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # an optimizer with noise draws the same with decay and without
        made = new_optimizer(optimizer, {**options, "lr": lr, "weight_decay": decay}, weights)
        path = []
        for step in range(count):
            sign = (-1.0) ** step
            path.append(take_step(made, weights, sizes, [sign * gradient + penalty * size for size in sizes]))
        carried = take_step(made, weights, [0.0] * len(sizes), [0.0] * len(sizes))[0]
    pairs = [[(a + b) / 2 for a, b in zip(*path[step : step + 2], strict=True)] for step in range(0, count, 2)]
    steps = [extrapolate(*(pair[index] for pair in pairs[-3:])) for index in range(len(sizes))]
    return TrialResult(steps, path[0], carried)


@contextmanager
def silenced() -> Iterator[None]:
    """Silence logs, warnings and prints of an optimizer for the block."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def take_step(
    made: Optimizer, weights: Sequence[Tensor], sizes: Sequence[float], gradients: Sequence[float]
) -> list[float]:
    """Take a step with weights at their sizes, and return the movement of each."""
    for each, size, gradient in zip(weights, sizes, gradients, strict=True):
        each.fill_(size)
        each.grad = torch.full_like(each, gradient)
    made.step()
    return [float(each.mean()) - size for each, size in zip(weights, sizes, strict=True)]


def extrapolate(one: float, two: float, three: float) -> float:
    """Return the limit of three terms of a geometric approach; the last term if they hardly approach one."""
    before, after = two - one, three - two
    if abs(after) <= 1e-9 * abs(three) or not 0 < after / before < SLOWEST:
        return three
    return three + after * after / (before - after)


def new_optimizer(optimizer: Optimizer, options: Mapping[str, Any], weights: Sequence[Tensor]) -> Optimizer:
    """Make an optimizer of the same class and options for these weights."""
    wanted = plain_options({**optimizer.defaults, **options})
    accepted = inspect.signature(type(optimizer)).parameters
    group = {"params": [*weights], **plain_options(options)}
    made = type(optimizer)([group], **{name: wanted[name] for name in accepted if name in wanted})
    made.param_groups[0].update(
        plain_options(options)
    )  # what the class itself has put there, such as Composer's initial_lr
    return made


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options, with steps computed one weight at a time on the CPU."""
    return {name: PLAIN_OPTIONS.get(name, value) for name, value in options.items()}


def default_option_names(optimizer: Optimizer, options: Mapping[str, Any], ndim: int) -> set[str]:
    """Return the option names that a new optimizer gives its groups; none if it cannot be made."""
    try:
        with silenced():
            made = new_optimizer(optimizer, options, [nn.Parameter(torch.ones((2,) * ndim, dtype=torch.float64))])
    except Exception:  # other people's code
        return set()
    return set(made.param_groups[0])
