"""A trial of an optimizer: how far it takes weights that nobody needs, with decay, with a penalty and with neither."""

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

KINDS = ("none", "decoupled", "coupled", "coupled, rescaled by the optimizer")
NONE, DECOUPLED, COUPLED, RESCALED = KINDS

STRENGTH, RATE = 0.1, 1e-2  # at which a kind is measured: large enough for double precision, whatever the user's are
STEPS = 16  # RAdam rescales from its sixth step on
SLOWEST = 0.9985  # the square of the largest momentum; what settles more slowly is a step that shrinks, as ASGD's
MANY = 256  # until an optimizer that rescales is near its long run
SIZES = (1.0, 2.0)  # of the weights; whoever shrinks them in proportion takes twice as much of the second
SAME = 1e-3  # relative; the differences between the kinds are of the order of 1
LEAST = 1e-13  # a shorter way is rounding
PLAIN = {"foreach": False, "fused": False, "capturable": False, "differentiable": False}  # how a step is computed

# Note [held weights]
# The weights are put back after every step, so that after a few steps a step is what it is in the long run: with
# momentum the gradient of a penalty adds up to 1 / (1 - momentum) times itself. As this comes about geometrically, the
# end is known after three steps (Aitken). With data gradients, these are 1 and -1 in turn and two steps are one.


class Reaction(NamedTuple):
    """What a decay or a penalty changes about a step: how far each of the weights comes."""

    silent: tuple[float, ...]  # without a data gradient, for each size, in the long run
    first: float  # the same in the first step, for the first size
    driven: tuple[float, ...]  # with data gradients of size 1
    carried: float  # the same step's part that comes from the momentum alone
    twice: float  # as silent, for the first size, at twice the strength

    @property
    def in_proportion(self) -> bool:
        """Whether a weight loses the same share whatever its size and its gradient."""
        one, two = self.silent
        return close(two, 2 * one) and all(close(a, b) for a, b in zip(self.silent, self.driven, strict=True))

    def like(self, other: Reaction) -> bool:
        """Whether it does the same as another."""
        ours = (*self.silent, *self.driven, self.carried)
        theirs = (*other.silent, *other.driven, other.carried)
        return all(close(a, b, max(map(abs, self.silent))) for a, b in zip(ours, theirs, strict=True))


def close(one: float, other: float, scale: float = 0.0) -> bool:
    """Whether two lengths are the same but for rounding."""
    return abs(one - other) <= SAME * max(abs(one), abs(other), scale)


class Traits(NamedTuple):
    """What an optimizer does at STRENGTH and RATE."""

    decay: Reaction
    penalty: Reaction
    own: float  # the share that it takes with no decay and no gradient: ASGD's lambd
    lr_power: int

    def kind(self, of: Reaction) -> str:
        """Which kind of decay a reaction is."""
        if max(map(abs, (*of.silent, *of.driven))) <= LEAST:
            return NONE
        if of.like(self.penalty):
            return COUPLED if of.in_proportion else RESCALED
        stays = of.in_proportion or (abs(of.carried) <= LEAST and close(of.twice, 2 * of.silent[0]))
        return DECOUPLED if stays else RESCALED  # LAMB has the decay inside what it rescales


def traits_of(optimizer: Any, options: Mapping[str, Any], ndim: int, lr: float | None) -> Traits | None:
    """Measures what such an optimizer does; ``None`` where a new one cannot be made, or does not take a step."""
    run = partial(long_run, optimizer, options, ndim, lr=lr)
    try:
        still, driven = run(), run(gradient=1.0)
        runs = run(decay=STRENGTH), run(decay=STRENGTH, gradient=1.0), run(decay=2 * STRENGTH)
        decay = reaction(still, driven, *runs)
        runs = run(penalty=STRENGTH), run(penalty=STRENGTH, gradient=1.0), run(penalty=2 * STRENGTH)
        penalty = reaction(still, driven, *runs)
        fast = lr and 2 * lr
        faster = run(lr=fast).steps[0] - run(lr=fast, decay=STRENGTH).steps[0]
    except Exception:  # other people's code, made for other weights than these
        return None
    own = [-moved / size for moved, size in zip(still.steps, SIZES, strict=True)]
    ratio = faster / decay.silent[0] if decay.silent[0] > 0 < faster else 2.0
    return Traits(decay, penalty, own[0] if own[0] > 0 and close(*own) else 0.0, round(math.log2(ratio)))


class Run(NamedTuple):
    """How far a step takes each of the weights."""

    steps: list[float]  # in the long run
    first: list[float]
    carried: float  # the last time, when the weight is at 0 and nothing but momentum is left


def reaction(still: Run, driven: Run, still_with: Run, driven_with: Run, with_twice: Run) -> Reaction:
    """What a decay has changed, towards zero."""
    return Reaction(
        tuple(a - b for a, b in zip(still.steps, still_with.steps, strict=True)),
        still.first[0] - still_with.first[0],
        tuple(a - b for a, b in zip(driven.steps, driven_with.steps, strict=True)),
        still.carried - still_with.carried,
        still.steps[0] - with_twice.steps[0],
    )


@torch.no_grad()
def long_run(
    optimizer: Any,
    options: Mapping[str, Any],
    ndim: int,
    *,
    lr: float | None,
    decay: float = 0.0,
    penalty: float = 0.0,
    gradient: float = 0.0,
    sizes: Sequence[float] = SIZES,
    count: int = STEPS,
) -> Run:
    """What a new optimizer does to weights that are held (Note [held weights])."""
    weights = [nn.Parameter(torch.full((2,) * ndim, size, dtype=torch.float64, device="cpu")) for size in sizes]
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # an optimizer with noise draws the same with decay and without
        made = fresh(optimizer, {**options, "lr": lr, "weight_decay": decay}, weights)
        path = []
        for step in range(count):
            sign = (-1.0) ** step
            path.append(held_step(made, weights, sizes, [sign * gradient + penalty * size for size in sizes]))
        carried = held_step(made, weights, [0.0] * len(sizes), [0.0] * len(sizes))[0]
    pairs = [[(a + b) / 2 for a, b in zip(*path[step : step + 2], strict=True)] for step in range(0, count, 2)]
    steps = [settled(*(pair[index] for pair in pairs[-3:])) for index in range(len(sizes))]
    return Run(steps, path[0], carried)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing that an optimizer says of the settings under trial is heard."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def held_step(made: Any, weights: Sequence[Tensor], sizes: Sequence[float], gradients: Sequence[float]) -> list[float]:
    """How far one step takes each weight from its size."""
    for each, size, gradient in zip(weights, sizes, gradients, strict=True):
        each.fill_(size)
        each.grad = torch.full_like(each, gradient)
    made.step()
    return [float(each.mean()) - size for each, size in zip(weights, sizes, strict=True)]


def settled(one: float, two: float, three: float) -> float:
    """Where numbers end that come closer to it by the same factor each time; the last, where they hardly do."""
    before, after = two - one, three - two
    if abs(after) <= 1e-9 * abs(three) or not 0 < after / before < SLOWEST:
        return three
    return three + after * after / (before - after)


def fresh(optimizer: Any, options: Mapping[str, Any], weights: Sequence[Tensor]) -> Any:
    """A new optimizer of the same class and options for these weights."""
    wanted = plain({**optimizer.defaults, **options})
    taken = inspect.signature(type(optimizer)).parameters
    group = {"params": [*weights], **plain(options)}
    made = type(optimizer)([group], **{name: wanted[name] for name in taken if name in wanted})
    made.param_groups[0].update(plain(options))  # what the class itself has put there, such as Composer's initial_lr
    return made


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, but computed step by step on the processor."""
    return {name: PLAIN.get(name, value) for name, value in options.items()}


def own_options(optimizer: Any, options: Mapping[str, Any], ndim: int) -> set[str]:
    """The names that a new optimizer gives the options of its groups; none where it cannot be made."""
    try:
        with quiet():
            made = fresh(optimizer, options, [nn.Parameter(torch.ones((2,) * ndim, dtype=torch.float64))])
    except Exception:  # other people's code
        return set()
    return set(made.param_groups[0])
