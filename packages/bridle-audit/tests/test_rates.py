"""The learning rates to come are those that a loop then has, and asking for them moves nothing."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer, lr_scheduler

from bridle.schedules import linear
from bridle_audit.decay.rates import learning_rate, learning_rates

STEPS = 60


def optimizer_of(kind: Any = SGD, **settings: Any) -> Optimizer:
    groups = [{"params": [nn.Parameter(torch.ones(2))], "lr": lr} for lr in (0.1, 0.02)]
    made: Optimizer = kind(groups, lr=0.1, **settings)
    return made


def rates_of_loop(optimizer: Optimizer, scheduler: Any, steps: int, every: int = 1) -> list[list[float]]:
    """What a loop has at each step."""
    seen = []
    for step in range(1, steps + 1):
        seen.append([learning_rate(group) for group in optimizer.param_groups])
        optimizer.step()
        if step % every == 0:
            scheduler.step()
    return [list(rates) for rates in zip(*seen, strict=True)]


def sequence(optimizer: Optimizer) -> lr_scheduler.SequentialLR:
    warm_up = lr_scheduler.LinearLR(optimizer, 0.1, 1.0, total_iters=10)
    return lr_scheduler.SequentialLR(optimizer, [warm_up, lr_scheduler.CosineAnnealingLR(optimizer, 50)], [10])


def chain(optimizer: Optimizer) -> lr_scheduler.ChainedScheduler:
    parts = [lr_scheduler.ConstantLR(optimizer, 0.5, 7), lr_scheduler.ExponentialLR(optimizer, 0.95)]
    return lr_scheduler.ChainedScheduler(parts, optimizer)


SCHEDULERS: dict[str, Callable[[Optimizer], Any]] = {
    "lambda": lambda it: lr_scheduler.LambdaLR(it, lambda step: min(1.0, step / 10)),
    "lambdas": lambda it: lr_scheduler.LambdaLR(it, [lambda step: 0.9**step, lambda step: 1.0]),
    "multiplicative": lambda it: lr_scheduler.MultiplicativeLR(it, lambda step: 0.95),
    "step": lambda it: lr_scheduler.StepLR(it, 20, 0.5),
    "multistep": lambda it: lr_scheduler.MultiStepLR(it, [20, 40], 0.1),
    "linear": lambda it: lr_scheduler.LinearLR(it, 1.0, 0.1, total_iters=50),
    "exponential": lambda it: lr_scheduler.ExponentialLR(it, 0.9),
    "polynomial": lambda it: lr_scheduler.PolynomialLR(it, 60, 2.0),
    "cosine": lambda it: lr_scheduler.CosineAnnealingLR(it, 60, 1e-4),
    "restarts": lambda it: lr_scheduler.CosineAnnealingWarmRestarts(it, 15),
    "cyclic": lambda it: lr_scheduler.CyclicLR(it, 0.01, 0.1, 10, mode="exp_range", gamma=0.99),
    "one cycle": lambda it: lr_scheduler.OneCycleLR(it, 0.3, total_steps=60),
    "sequence": sequence,
    "chain": chain,
}


@pytest.mark.parametrize("make", SCHEDULERS.values(), ids=SCHEDULERS)
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step:UserWarning", "ignore:The epoch parameter:UserWarning")
def test_rates_are_those_of_the_loop_and_nothing_moves(make: Callable[[Optimizer], Any]) -> None:
    optimizer = optimizer_of(momentum=0.9)
    scheduler = make(optimizer)
    step = optimizer.step
    before = copy.deepcopy((optimizer.state_dict(), vars_of(scheduler)))
    found = learning_rates(optimizer, scheduler, STEPS)
    assert (optimizer.state_dict(), vars_of(scheduler)) == before
    assert optimizer.step == step
    assert not hasattr(optimizer, "_opt_called")
    expected = rates_of_loop(optimizer, scheduler, STEPS - 1)
    assert [rates[:-1] for rates in found] == expected
    assert [rates[-1] for rates in found] == [group["lr"] for group in optimizer.param_groups]


def vars_of(scheduler: Any) -> dict[str, Any]:
    """What a scheduler is at the moment, in numbers."""
    parts = [scheduler, *getattr(scheduler, "_schedulers", [])]
    return {f"{i} {k}": v for i, part in enumerate(parts) for k, v in vars(part).items() if is_plain(v)}


def is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str) or (isinstance(value, list) and all(map(is_plain, value)))


def test_scheduler_goes_on_from_where_it_stands() -> None:
    optimizer = optimizer_of()
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 50)
    rates_of_loop(optimizer, scheduler, 30)
    found = learning_rates(optimizer, scheduler, 20)
    assert found == rates_of_loop(optimizer, scheduler, 20)


def test_rates_that_are_tensors_are_not_written_to() -> None:
    optimizer = AdamW([nn.Parameter(torch.ones(2))], lr=torch.tensor(0.5))
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    held = optimizer.param_groups[0]["lr"]
    assert learning_rates(optimizer, scheduler, 3) == [[0.5, 0.25, 0.125]]
    assert optimizer.param_groups[0]["lr"] is held
    assert float(held) == 0.5


@pytest.mark.parametrize(
    ("make", "epochs"),
    [
        (lambda it: lr_scheduler.CosineAnnealingLR(it, 10), 10),
        (lambda it: lr_scheduler.PolynomialLR(it, 10), 10),
        (lambda it: lr_scheduler.LinearLR(it, 1.0, 0.0, 10), 10),
        (lambda it: lr_scheduler.OneCycleLR(it, 0.1, total_steps=10), 10),
        (lambda it: lr_scheduler.MultiStepLR(it, [30, 60]), 90),
        (lambda it: lr_scheduler.MultiStepLR(it, [5]), 10),
        (lambda it: lr_scheduler.StepLR(it, 30), 90),
        (lambda it: lr_scheduler.ExponentialLR(it, 0.1**0.2), 10),
        (
            lambda it: lr_scheduler.SequentialLR(
                it, [lr_scheduler.LinearLR(it, 0.1, 1.0, 2), lr_scheduler.CosineAnnealingLR(it, 8)], [2]
            ),
            10,
        ),
    ],
    ids=["cosine", "polynomial", "linear", "one cycle", "milestones", "milestone", "step", "exponential", "sequence"],
)
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step:UserWarning", "ignore:The epoch parameter:UserWarning")
def test_scheduler_that_is_much_too_short_counts_epochs(make: Callable[[Optimizer], Any], epochs: int) -> None:
    steps = 1800
    optimizer = optimizer_of(momentum=0.9)
    found = learning_rates(optimizer, make(optimizer), steps)
    other = optimizer_of(momentum=0.9)
    assert found == rates_of_loop(other, make(other), steps, steps // epochs)


@pytest.mark.parametrize(
    "make",
    [
        lambda it: lr_scheduler.CosineAnnealingLR(it, 30),
        lambda it: lr_scheduler.LinearLR(it, 0.1, 1.0, 5),
        lambda it: lr_scheduler.StepLR(it, 5, 0.9),
        lambda it: lr_scheduler.ExponentialLR(it, 0.999),
    ],
    ids=["half as long", "warm-up", "many small steps", "slow"],
)
def test_scheduler_that_may_count_steps_counts_steps(make: Callable[[Optimizer], Any]) -> None:
    optimizer, other = optimizer_of(), optimizer_of()
    assert learning_rates(optimizer, make(optimizer), STEPS) == rates_of_loop(other, make(other), STEPS)


def test_user_says_how_often_the_scheduler_moves() -> None:
    optimizer, other = optimizer_of(), optimizer_of()
    found = learning_rates(optimizer, lr_scheduler.CosineAnnealingLR(optimizer, 30), STEPS, every=5)
    assert found == rates_of_loop(other, lr_scheduler.CosineAnnealingLR(other, 30), STEPS, 5)
    counted = learning_rates(optimizer, lr_scheduler.CosineAnnealingLR(optimizer, 5), STEPS, every=1)
    assert counted[0][5] == pytest.approx(0.0)
    assert counted[0][10] == pytest.approx(0.1)


def test_one_cycle_that_is_over_stays() -> None:
    optimizer = optimizer_of(momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=50)
    found = learning_rates(optimizer, scheduler, STEPS)
    assert [rates[:50] for rates in found] == rates_of_loop(optimizer, scheduler, 50)
    assert found[0][51:] == [found[0][50]] * 9


def test_plateau_stays_where_it_is() -> None:
    optimizer = optimizer_of()
    assert learning_rates(optimizer, lr_scheduler.ReduceLROnPlateau(optimizer), 3) == [[0.1] * 3, [0.02] * 3]


def test_rates_may_be_a_function_numbers_a_schedule_or_nothing() -> None:
    optimizer = optimizer_of()
    assert learning_rates(optimizer, None, 2) == [[0.1, 0.1], [0.02, 0.02]]
    assert learning_rates(optimizer, lambda step: 0.5**step, 3) == [[0.1, 0.05, 0.025], [0.02, 0.01, 0.005]]
    assert learning_rates(optimizer, [0.3, 0.1], 4) == [[0.3, 0.3, 0.1, 0.1]] * 2
    assert learning_rates(optimizer, linear(1.0, 0.0), 2) == [[0.1, 0.05], [0.02, 0.01]]


def test_function_is_a_factor_of_the_initial_rate() -> None:
    optimizer = optimizer_of()
    lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    assert optimizer.param_groups[0]["lr"] == 0
    assert learning_rates(optimizer, lambda step: step / 2, 3) == [[0.0, 0.05, 0.1], [0.0, 0.01, 0.02]]


class Halving:
    """A scheduler that is none of torch's."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer

    def step(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] /= 2


class Wrapping:
    """As Accelerate's: it knows its optimizers as a list."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler, self.optimizers = scheduler, [scheduler.optimizer]

    def step(self) -> None:
        self.scheduler.step()


@pytest.mark.parametrize("wrap", [lambda it: it, Wrapping])
def test_schedulers_of_other_people_are_asked_as_well(wrap: Callable[[Any], Any]) -> None:
    optimizer = optimizer_of()
    assert learning_rates(optimizer, wrap(Halving(optimizer)), 3) == [[0.1, 0.05, 0.025], [0.02, 0.01, 0.005]]
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.02]


class Locked(Halving):
    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("cannot pickle a lock")


def test_what_cannot_be_asked_is_refused_in_a_sentence() -> None:
    optimizer = optimizer_of()
    with pytest.raises(ValueError, match="steps must be the number of optimizer steps to come, at least 1, got 0"):
        learning_rates(optimizer, None, 0)
    with pytest.raises(ValueError, match=r"the Halving moves another optimizer \(SGD\)"):
        learning_rates(optimizer, Halving(optimizer_of()), 3)
    with pytest.raises(ValueError, match=r"the Locked cannot be copied \(cannot pickle a lock\)"):
        learning_rates(optimizer, Locked(optimizer), 3)
    with pytest.raises(ValueError, match=r"got values of shape \(4,\)"):
        learning_rates(optimizer, [0.1] * 4, 3)


def test_asking_warns_of_nothing() -> None:
    optimizer = optimizer_of()
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert learning_rates(optimizer, scheduler, 5)[0][4] == pytest.approx(0.01)
