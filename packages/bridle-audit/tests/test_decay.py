"""The kind of decay is found by what an optimizer does, and its share is what real steps take."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import (
    ASGD,
    LBFGS,
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Muon,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
    SparseAdam,
    lr_scheduler,
)

from bridle_audit.decay.measurement import Decay, DecayMeter, is_default_decay, measure_decay
from bridle_audit.decay.trials import COUPLED, DECOUPLED, NONE, RESCALED


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(3, 2, dtype=torch.float64))]


def decay_of(optimizer: Optimizer, **settings: Any) -> Decay:
    return measure_decay(optimizer, optimizer.param_groups[0], **settings)


def kept_by_steps(optimizer: Optimizer, steps: int, size: float = 1.0) -> list[float]:
    """A weight after each of some steps without a data gradient."""
    (weight,) = optimizer.param_groups[0]["params"]
    weight.data.fill_(size)
    seen = [size]
    for _ in range(steps):
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
        seen.append(float(weight.detach().mean()))
    return seen


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        (SGD, {}, COUPLED),
        (SGD, {"momentum": 0.9}, COUPLED),
        (SGD, {"momentum": 0.9, "nesterov": True}, COUPLED),
        (SGD, {"momentum": 0.9, "dampening": 0.9}, COUPLED),
        (SGD, {"momentum": 0.9, "foreach": True}, COUPLED),
        (ASGD, {}, COUPLED),
        (Adam, {}, RESCALED),
        (Adam, {"amsgrad": True}, RESCALED),
        (Adam, {"decoupled_weight_decay": True}, DECOUPLED),
        (Adam, {"decoupled_weight_decay": True, "fused": True}, DECOUPLED),
        (AdamW, {}, DECOUPLED),
        (AdamW, {"maximize": True, "amsgrad": True}, DECOUPLED),
        (NAdam, {}, RESCALED),
        (NAdam, {"decoupled_weight_decay": True}, DECOUPLED),
        (RAdam, {}, RESCALED),
        (RAdam, {"decoupled_weight_decay": True}, DECOUPLED),
        (Adamax, {}, RESCALED),
        (Adagrad, {}, RESCALED),
        (Adadelta, {}, RESCALED),
        (RMSprop, {}, RESCALED),
        (RMSprop, {"momentum": 0.9, "centered": True}, RESCALED),
        (Adafactor, {}, DECOUPLED),
        (Muon, {}, DECOUPLED),
    ],
)
def test_kind_of_every_optimizer_of_torch(kind: Any, settings: dict[str, Any], expected: str) -> None:
    found = decay_of(kind(parameters(), weight_decay=0.01, **settings))
    assert found.kind == expected
    assert found.measured
    without = decay_of(kind(parameters(), weight_decay=0.0, **settings))
    assert without.kind == (DECOUPLED if kind is ASGD else NONE)


def test_all_optimizers_of_torch_that_decay_are_in_the_list() -> None:
    tried = {SGD, ASGD, Adam, AdamW, NAdam, RAdam, Adamax, Adagrad, Adadelta, RMSprop, Adafactor, Muon}
    all_of_them = {each for each in vars(torch.optim).values() if inspect.isclass(each) and issubclass(each, Optimizer)}
    assert {each for each in all_of_them if "weight_decay" in inspect.signature(each).parameters} == tried


@pytest.mark.parametrize("kind", [Rprop, LBFGS, SparseAdam])
def test_decay_in_a_group_of_an_optimizer_without_one_is_not_used(kind: Any) -> None:
    optimizer = kind([{"params": parameters(), "weight_decay": 0.1}])
    found = decay_of(optimizer)
    assert (found.kind, found.share_per_step) == (NONE, 0.0)
    assert found.remark == "the optimizer does not use it"


@pytest.mark.parametrize(("kind", "lr"), [(AdamW, 1e-3), (Muon, 1e-2), (Adafactor, 1e-2), (SGD, 0.1)])
def test_share_is_what_a_real_step_takes(kind: Any, lr: float) -> None:
    optimizer = kind(parameters(), lr=lr, weight_decay=0.3)
    found = decay_of(optimizer)
    assert found.share_per_step == pytest.approx(lr * 0.3)
    before, after = kept_by_steps(optimizer, 1)
    assert 1 - after / before == pytest.approx(found.share_per_step)


@pytest.mark.parametrize("settings", [{}, {"nesterov": True}])
def test_momentum_adds_up_to_one_over_one_minus_it(settings: dict[str, Any]) -> None:
    optimizer = SGD(parameters(), lr=0.01, momentum=0.9, weight_decay=0.01, **settings)
    found = decay_of(optimizer)
    assert found.share_per_step == pytest.approx(0.01 * 0.01 / (1 - 0.9))
    path = kept_by_steps(optimizer, 400)
    assert 1 - path[-1] / path[-2] == pytest.approx(found.share_per_step, rel=0.01)
    if not settings:
        assert found.momentum_factor == pytest.approx(10)
        assert 1 - path[1] == pytest.approx(found.share_per_step / found.momentum_factor)


@pytest.mark.parametrize("momentum", [0.05, 0.5, 0.9, 0.99, 0.999])
def test_long_run_is_known_at_every_momentum(momentum: float) -> None:
    found = decay_of(SGD(parameters(), lr=0.1, momentum=momentum, weight_decay=1e-4))
    assert found.share_per_step == pytest.approx(1e-5 / (1 - momentum), rel=1e-6)


def test_adam_takes_the_learning_rate_whatever_the_strength() -> None:
    shares = [decay_of(Adam(parameters(), lr=1e-3, weight_decay=strength)) for strength in (1e-4, 1e-2, 1.0)]
    assert [each.share_per_step for each in shares] == pytest.approx([1e-3] * 3, rel=1e-3)
    assert [each.twice for each in shares] == pytest.approx([1.0] * 3, rel=1e-3)
    small = decay_of(Adam(parameters(), lr=1e-3, weight_decay=1e-2), size=0.05)
    assert small.share_per_step == pytest.approx(1e-3 / 0.05, rel=1e-3)
    optimizer = Adam(parameters(), lr=1e-3, weight_decay=1e-2)
    path = kept_by_steps(optimizer, 50)
    assert path[0] - path[50] == pytest.approx(50 * 1e-3, rel=1e-2)


def test_adam_with_a_decay_below_its_epsilon_takes_next_to_nothing() -> None:
    found = decay_of(Adam(parameters(), lr=1e-3, weight_decay=1e-15))
    assert found.share_per_step == pytest.approx(1e-10, rel=1e-3)
    assert found.twice == pytest.approx(2, rel=1e-3)


def test_shares_below_double_precision_are_known() -> None:
    assert decay_of(AdamW(parameters(), lr=1e-3, weight_decay=1e-15)).share_per_step == pytest.approx(1e-18)


def test_share_at_another_learning_rate() -> None:
    warming_up = AdamW(parameters(), lr=0.0, weight_decay=0.1)
    found = decay_of(warming_up)
    assert found.share_per_step == 0
    assert found.share(1e-3) == pytest.approx(1e-4)
    rescaled = decay_of(Adam(parameters(), lr=0.0, weight_decay=0.1))
    assert rescaled.kind == RESCALED
    assert rescaled.share(1e-3) == pytest.approx(1e-3, rel=1e-3)


def test_averaging_sgd_decays_by_itself() -> None:
    found = decay_of(ASGD(parameters(), lr=0.1, lambd=0.01))
    assert found.share_per_step == pytest.approx(1e-3, rel=1e-2)
    assert "the optimizer's own" in found.remark


def test_rate_that_is_a_tensor_and_options_of_the_gpu_are_measured_all_the_same() -> None:
    optimizer = AdamW(parameters(), lr=torch.tensor(1e-3, dtype=torch.float64), weight_decay=0.1)
    optimizer.param_groups[0].update(capturable=True, foreach=True)
    assert decay_of(optimizer).share_per_step == pytest.approx(1e-4)


def test_penalty_is_a_part_of_the_gradient() -> None:
    optimizer = AdamW(parameters(), lr=1e-3)
    meter = DecayMeter(optimizer)
    assert meter.measure_penalty(optimizer.param_groups[0], 0.1).kind == RESCALED
    plain = SGD(parameters(), lr=0.1, momentum=0.5)
    found = DecayMeter(plain).measure_penalty(plain.param_groups[0], 0.1)
    assert found.kind == COUPLED
    assert found.share_per_step == pytest.approx(0.02)


# Optimizers of other people, each with a way of its own.


class Other(Optimizer):
    """Plain gradient descent; what becomes of the decay is said below."""

    def __init__(self, params: Any, lr: float = 0.1, weight_decay: float = 0.0, peak: float = 0.1) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "peak": peak})

    def kept(self, group: dict[str, Any]) -> float:
        """What stays of a weight."""
        return 1.0

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                weight.mul_(self.kept(group)).sub_(group["lr"] * self.moved(weight))

    def moved(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        state["m"] = 0.9 * state.get("m", 0.0) + weight.grad
        momentum: Tensor = state["m"]
        return momentum


class DecayWithoutRate(Other):
    def kept(self, group: dict[str, Any]) -> float:
        return float(1 - group["weight_decay"])


class DecayBySchedule(Other):
    def kept(self, group: dict[str, Any]) -> float:
        return float(1 - group["weight_decay"] * group["lr"] / group["peak"])


class LikeComposer(Other):
    """Remembers the first learning rate, in its own groups."""

    def __init__(self, params: Any, lr: float = 0.1, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr, weight_decay)
        for group in self.param_groups:
            group["initial_lr"] = group["lr"]

    def kept(self, group: dict[str, Any]) -> float:
        return float(1 - group["weight_decay"] * group["lr"] / group["initial_lr"])


class DecayBySquare(Other):
    def kept(self, group: dict[str, Any]) -> float:
        return float(1 - group["weight_decay"] * group["lr"] ** 2 / group["peak"])


class Deaf(Other):
    """Takes a weight_decay and does nothing with it."""


class Noisy(DecayBySchedule):
    def moved(self, weight: Tensor) -> Tensor:
        logging.getLogger(__name__).warning("high weight_decay")
        return super().moved(weight) + torch.randn_like(weight)


class Trusting(Other):
    """As LAMB and LARS: the decay stands inside what is scaled to the weight."""

    def moved(self, weight: Tensor) -> Tensor:
        wanted = weight.grad + self.param_groups[0]["weight_decay"] * weight
        length = wanted.norm()
        return wanted * (weight.norm() / length if length > 0 else 1.0)


@pytest.mark.parametrize(
    ("kind", "expected", "share", "power"),
    [
        (DecayWithoutRate, DECOUPLED, 0.01, 0),
        (DecayBySchedule, DECOUPLED, 0.01 * 0.05 / 0.1, 1),
        (LikeComposer, DECOUPLED, 0.01, 1),
        (DecayBySquare, DECOUPLED, 0.01 * 0.05**2 / 0.1, 2),
        (Noisy, DECOUPLED, 0.01 * 0.05 / 0.1, 1),
        (Trusting, RESCALED, 0.05, 1),
        (Deaf, NONE, 0.0, 1),
    ],
)
def test_optimizers_of_other_people(kind: Any, expected: str, share: float, power: int) -> None:
    optimizer = kind(parameters(), lr=0.05, weight_decay=0.01)
    found = decay_of(optimizer)
    assert found.kind == expected
    assert found.share_per_step == pytest.approx(share)
    assert found.share(0.1) == pytest.approx(share * 2**power)


class NeedsMore(AdamW):
    """Cannot be made from its options."""

    def __init__(self, params: Any, engine: str, **settings: Any) -> None:
        super().__init__(params, **settings)


class NeedsMoreSGD(SGD):
    def __init__(self, params: Any, engine: str, **settings: Any) -> None:
        super().__init__(params, **settings)


def test_optimizer_that_cannot_be_tried_is_judged_by_its_flags_and_says_so() -> None:
    by_flag = decay_of(NeedsMore(parameters(), "own", lr=1e-3, weight_decay=0.1))
    assert by_flag.kind == DECOUPLED
    assert by_flag.share_per_step == pytest.approx(1e-4)
    assert not by_flag.measured
    assert "could not be tried out" in by_flag.remark
    assert decay_of(NeedsMoreSGD(parameters(), "own", lr=0.1, weight_decay=0.1)).kind == COUPLED
    assert decay_of(NeedsMore(parameters(), "own", weight_decay=0.0)).kind == NONE


class Wrapper(Optimizer):
    """As Accelerate's, ZeRO's and SAM's."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.param_groups, self.defaults, self.state = optimizer.param_groups, optimizer.defaults, optimizer.state


def test_optimizer_within_others_is_found() -> None:
    wrapped = Wrapper(Wrapper(AdamW(parameters(), lr=1e-3)))
    assert decay_of(wrapped).kind == DECOUPLED
    assert is_default_decay(wrapped, wrapped.param_groups[0])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (AdamW, True),
        (lambda it: AdamW(it, weight_decay=0.01), True),
        (lambda it: AdamW(it, weight_decay=0.02), False),
        (lambda it: AdamW(it, weight_decay=0.0), False),
        (Muon, True),
        (Adam, False),
        (lambda it: Adam(it, weight_decay=0.01), False),
        (LBFGS, False),
    ],
)
def test_decay_that_equals_the_default_of_the_class(make: Callable[[Any], Optimizer], expected: bool) -> None:
    optimizer = make(parameters())
    assert is_default_decay(optimizer, optimizer.param_groups[0]) is expected


def test_nothing_of_the_users_moves(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(3)
    optimizer = Noisy(parameters(), weight_decay=0.01)
    (weight,) = optimizer.param_groups[0]["params"]
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    caplog.clear()
    optimizer.register_step_pre_hook(lambda *_: pytest.fail("a hook of the user's was called"))
    before = copy.deepcopy(optimizer.state_dict())
    noise, held, level = torch.get_rng_state(), weight.clone(), logging.root.manager.disable
    decay_of(optimizer)
    after = optimizer.state_dict()
    assert torch.equal(after["state"][0].pop("m"), before["state"][0].pop("m"))
    assert after == before
    assert torch.equal(torch.get_rng_state(), noise)
    assert torch.equal(weight, held)
    assert torch.equal(weight.grad, torch.ones_like(weight))
    assert (caplog.text, capsys.readouterr().out, logging.root.manager.disable) == ("", "", level)


def test_groups_alike_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    begin = AdamW.__init__

    def counted(self: AdamW, *args: Any, **options: Any) -> None:
        made.append(self)
        begin(self, *args, **options)

    monkeypatch.setattr(AdamW, "__init__", counted)
    groups = [{"params": parameters(), "lr": 0.1**layer} for layer in range(1, 6)]
    optimizer = AdamW(groups, weight_decay=0.1)
    lr_scheduler.CosineAnnealingLR(optimizer, 10)  # which writes into the groups
    meter = DecayMeter(optimizer)
    first = meter.measure(optimizer.param_groups[0])
    count = len(made)
    shares = [meter.measure(group).share_per_step for group in optimizer.param_groups]
    assert len(made) == count > 1
    assert shares == pytest.approx([first.share_per_step * 0.1**layer for layer in range(5)])
