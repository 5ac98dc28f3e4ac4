"""The decay ledger: one row for each parameter, with shares that real training confirms; nothing moves."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, lr_scheduler

from bridle_audit.decay.ledger import Ledger, ledger
from bridle_audit.decay.ledger_rows import LedgerRow
from bridle_audit.decay.penalty_effects import measure_penalty_effects


class Tied(nn.Module):
    """An embedding that is also the output, a norm, a frozen layer, and a layer that nobody trains."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(7, 4)
        self.norm = nn.LayerNorm(4)
        self.hidden = nn.Linear(4, 4)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight
        self.extra = nn.Linear(2, 1)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def rows(found: Ledger) -> dict[str, LedgerRow]:
    return {each.name: each for each in found.rows}


def lengths_after(model: nn.Module, optimizer: Optimizer, scheduler: Any, steps: int) -> dict[str, float]:
    """What is left of each parameter after real steps without a data gradient."""
    before = {name: each.detach().norm() for name, each in model.named_parameters()}
    for _ in range(steps):
        for each in model.parameters():
            each.grad = torch.zeros_like(each)
        optimizer.step()
        scheduler.step()
    return {name: float(each.detach().norm() / before[name]) for name, each in model.named_parameters()}


def test_row_for_each_parameter_with_all_its_names() -> None:
    model = Tied()
    old = nn.Parameter(torch.ones(2))
    trained = [each for name, each in model.named_parameters() if not name.startswith("extra")]
    found = rows(ledger(model, AdamW([*trained, old], lr=1e-3, weight_decay=0.1)))
    assert found["embed.weight"].names == ("embed.weight", "head.weight")
    assert "head.weight" not in found
    assert (found["frozen.weight"].path, found["frozen.weight"].share) == ("frozen", None)
    assert (found["extra.bias"].path, found["extra.bias"].group) == ("not in the optimizer", None)
    stranger = found.popitem()[1]
    assert stranger.name.endswith("not in the model")
    assert (stranger.path, stranger.shape) == ("decoupled", (2,))


def test_rows_say_what_a_parameter_is_where_decay_is_unusual() -> None:
    model = Tied()
    decayed = rows(ledger(model, AdamW(model.parameters(), weight_decay=0.1)))
    expected = {
        "embed.weight": "an embedding",
        "norm.weight": "the scale of a norm",
        "norm.bias": "the shift of a norm",
        "hidden.weight": "",
        "hidden.bias": "a bias",
    }
    assert {name: decayed[name].remark for name in expected} == expected
    free = rows(ledger(model, AdamW(model.parameters(), weight_decay=0.0)))
    assert {free[name].remark for name in expected} == {""}
    assert {free[name].path for name in expected} == {"none"}


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda it: AdamW(it, lr=1e-2, weight_decay=0.5), "decoupled"),
        (lambda it: Adam(it, lr=1e-2, weight_decay=0.5, decoupled_weight_decay=True), "decoupled"),
        (lambda it: SGD(it, lr=1e-2, weight_decay=0.5), "coupled"),
    ],
)
def test_what_is_left_is_what_real_steps_leave(make: Callable[[Any], Optimizer], path: str) -> None:
    model = net()
    optimizer = make(model.parameters())
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, 200)
    found = rows(ledger(model, optimizer, steps=200, lr_schedule=scheduler))
    left = lengths_after(model, optimizer, scheduler, 200)
    for name, row in found.items():
        assert row.path == path
        assert row.lr == 1e-2
        assert row.share == pytest.approx(5e-3)
        assert row.left == pytest.approx(left[name])
        assert row.half_life == pytest.approx(math.log(0.5) / math.log(1 - 5e-3))


def test_momentum_leaves_less_in_the_long_run() -> None:
    model = net()
    optimizer = SGD(model.parameters(), lr=1e-2, momentum=0.9, weight_decay=0.05)
    scheduler = lr_scheduler.ConstantLR(optimizer, 1.0)
    row = rows(ledger(model, optimizer, steps=600))["0.weight"]
    assert row.share == pytest.approx(5e-3)
    assert row.left is not None
    assert math.log(row.left) == pytest.approx(
        math.log(lengths_after(model, optimizer, scheduler, 600)["0.weight"]), rel=0.05
    )


def test_share_is_at_the_highest_rate_to_come() -> None:
    model = net()
    optimizer = AdamW(model.parameters(), lr=0.0, weight_decay=0.1)
    found = rows(ledger(model, optimizer, steps=10, lr_schedule=[0.0, 0.01, 0.02, 0.01, 0.0]))["0.weight"]
    assert found.lr == 0.02
    assert found.share == pytest.approx(0.002)
    assert found.left == pytest.approx((1 - 0.001) ** 4 * (1 - 0.002) ** 2)
    assert rows(ledger(model, optimizer))["0.weight"].share == 0


def test_rescaled_decay_is_said_to_depend_on_the_gradients() -> None:
    model = net()
    found = ledger(model, Adam(model.parameters(), lr=1e-3, weight_decay=0.01), steps=100)
    row = rows(found)["0.weight"]
    assert (row.path, row.left, row.half_life) == ("coupled, rescaled by Adam", None, None)
    size = float(model.get_parameter("0.weight").detach().square().mean().sqrt())
    assert row.share == pytest.approx(1e-3 / size, rel=1e-3)
    assert row.twice == pytest.approx(1, rel=1e-3)
    assert str(found).splitlines()[-1].endswith("twice the strength takes 1.00 times as much")


def test_default_that_was_not_changed_is_marked() -> None:
    model = net()
    found = ledger(model, AdamW(model.parameters()))
    assert all(row.by_default for row in found.rows)
    assert "decoupled (default)" in str(found)
    assert not any(row.by_default for row in ledger(model, AdamW(model.parameters(), weight_decay=0.02)).rows)


def squared(model: nn.Module) -> Tensor:
    return 0.001 * sum(each.square().sum() for each in model.parameters())  # type: ignore[return-value]


def test_penalty_has_its_coefficient_in_the_unit_of_coupled_decay() -> None:
    model = net()
    found = rows(ledger(model, SGD(model.parameters(), lr=0.1), steps=10, penalty=squared))
    assert {row.path for row in found.values()} == {"penalty"}
    assert [row.penalty for row in found.values()] == pytest.approx([0.002] * 4)
    assert [row.share for row in found.values()] == pytest.approx([0.0002] * 4)
    same = ledger(model, SGD(model.parameters(), lr=0.1, weight_decay=0.002), steps=10)
    assert [row.left for row in found.values()] == pytest.approx([row.left for row in same.rows])


def test_penalty_on_weights_that_are_still_zero_is_seen() -> None:
    model = net()
    nn.init.zeros_(model.get_parameter("0.bias"))
    held = model.get_parameter("0.bias").data
    assert measure_penalty_effects(squared, model)["0.bias"].coefficient == pytest.approx(0.002)
    assert model.get_parameter("0.bias").data.data_ptr() == held.data_ptr()
    assert not held.any()


def test_penalty_that_is_not_in_proportion_says_so() -> None:
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    found = rows(ledger(model, optimizer, penalty=lambda it: 0.01 * it.get_parameter("0.weight").abs().sum()))
    w = model.get_parameter("0.weight").detach()
    along = float(w.abs().sum() / w.square().sum())
    assert found["0.weight"].penalty == pytest.approx(0.01 * along)
    rest = float((w.sign() - along * w).norm() / w.numel() ** 0.5)
    assert found["0.weight"].remark == f"{rest:.0%} of the penalty's gradient is not in proportion to the weight"
    assert found["2.weight"].path == "none"


def test_penalty_under_an_optimizer_that_rescales() -> None:
    model = net()
    found = rows(ledger(model, AdamW(model.parameters(), weight_decay=0.0), penalty=squared))["0.weight"]
    assert (found.path, found.left) == ("penalty, rescaled by AdamW", None)


def test_penalty_and_decay_act_twice() -> None:
    model = net()
    both = rows(ledger(model, SGD(model.parameters(), lr=0.1, weight_decay=0.01), penalty=squared))["0.weight"]
    assert both.path == "penalty + coupled"
    assert both.share == pytest.approx(0.1 * 0.012)
    assert both.remark == "acts twice, by the penalty and by the optimizer"
    adam = rows(ledger(model, Adam(model.parameters(), lr=1e-3, weight_decay=0.01), penalty=squared))["0.weight"]
    alone = rows(ledger(model, Adam(model.parameters(), lr=1e-3, weight_decay=0.01)))["0.weight"]
    assert adam.path == "penalty + coupled, rescaled by Adam"
    assert adam.share == pytest.approx(alone.share, rel=1e-3)  # one gradient, rescaled once


def test_penalty_may_run_the_model_and_its_buffers_stay() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    buffers = dict(model.named_buffers())
    before = {name: each.clone() for name, each in buffers.items()}
    assert measure_penalty_effects(lambda it: it(torch.ones(5, 3) * torch.arange(5.0)[:, None]).square().mean(), model)
    assert all(each is buffers[name] for name, each in model.named_buffers())
    assert all(torch.equal(each, before[name]) for name, each in model.named_buffers())


def test_penalty_that_moves_nothing_is_none() -> None:
    model = net()
    assert measure_penalty_effects(lambda it: squared(it).detach(), model) == {}
    assert measure_penalty_effects(lambda it: 0.0 * squared(it), model) == {}
    with pytest.raises(ValueError, match=r"must give one number as a tensor.*got Parameter\[4\]"):
        measure_penalty_effects(lambda it: it.get_parameter("0.bias"), model)
    with pytest.raises(ValueError, match="got float"):
        measure_penalty_effects(lambda it: 0.5, model)


@pytest.mark.parametrize(("strength", "changed"), [(0.1, 0.0), (100.0, 1.0)])
def test_decay_below_the_resolution_of_the_weights_changes_nothing(strength: float, changed: float) -> None:
    model = net().bfloat16()
    optimizer = AdamW(model.parameters(), lr=1e-4, weight_decay=strength)
    row = rows(ledger(model, optimizer))["0.weight"]
    assert row.changed == changed
    assert ("nothing happens: a step changes none of its weights in bfloat16" in row.remark) is (changed == 0)
    before = model.get_parameter("0.weight").detach().clone()
    lengths_after(model, optimizer, lr_scheduler.ConstantLR(optimizer, 1.0), 1)
    assert float(torch.ne(model.get_parameter("0.weight"), before).double().mean()) == pytest.approx(changed)


def test_coupled_decay_that_rounding_swallows() -> None:
    model = net().float()
    row = rows(ledger(model, SGD(model.parameters(), lr=0.1, weight_decay=1e-15)))["0.weight"]
    middle = float(model.get_parameter("0.weight").detach().abs().median())
    above = 2 * 1e-15 * middle / torch.finfo(torch.float32).eps
    assert row.remark == f"lost in rounding next to any gradient above {above:.1g}"
    gradient = torch.tensor(2 * above, dtype=torch.float32)
    assert gradient + torch.tensor(1e-15 * middle, dtype=torch.float32) == gradient
    usual = rows(ledger(model, SGD(model.parameters(), lr=0.1, weight_decay=1e-4)))["0.weight"]
    assert usual.remark == ""


def test_frozen_parameter_with_a_gradient_is_still_moved() -> None:
    model = net()
    optimizer = AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    lengths_after(model, optimizer, lr_scheduler.ConstantLR(optimizer, 1.0), 1)
    model[0].weight.requires_grad_(False)
    row = rows(ledger(model, optimizer))["0.weight"]
    assert row.path == "decoupled"
    assert row.share == pytest.approx(1e-3)
    assert row.remark == "frozen, but its gradient is still there, so the optimizer moves it"


def test_nothing_of_the_users_moves() -> None:
    torch.manual_seed(1)
    model = net()
    nn.init.zeros_(model.get_parameter("2.bias"))
    optimizer = AdamW(model.parameters(), lr=1e-2)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=30)
    model(torch.ones(2, 3).double()).sum().backward()
    optimizer.step()
    gradients = [each.grad for each in model.parameters()]
    before = copy.deepcopy((list(model.parameters()), optimizer.state_dict(), gradients, scheduler.state_dict()))
    noise = torch.get_rng_state()
    ledger(model, optimizer, steps=30, lr_schedule=scheduler, penalty=lambda it: squared(it) + torch.rand(()))
    after = (list(model.parameters()), optimizer.state_dict(), gradients, scheduler.state_dict())
    assert all(one is each.grad for one, each in zip(gradients, model.parameters(), strict=True))
    assert equal(after, before)
    assert torch.equal(torch.get_rng_state(), noise)


def equal(one: Any, other: Any) -> bool:
    """Whether all that is inside is the same, bit by bit."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other) or callable(one)


def test_equal_can_fail() -> None:
    assert equal({"a": [torch.ones(2)]}, {"a": [torch.ones(2)]})
    assert not equal({"a": [torch.ones(2)]}, {"a": [torch.zeros(2)]})


def test_table_is_aligned() -> None:
    model = Tied()
    lines = str(ledger(model, AdamW(model.parameters(), lr=1e-3), steps=1000)).splitlines()
    assert lines[0].startswith("AdamW; lost per step")
    assert lines[0].endswith("left: after 1,000 steps")
    location = lines[1].index("path")
    assert {line[location - 1] for line in lines[1:]} == {" "}
    assert {line[location:].split(" ")[0] for line in lines[2:]} == {"decoupled", "frozen"}
    assert lines[2].split()[:4] == ["embed.weight", "=", "head.weight", "7×4"]
    assert lines[2].endswith(
        "decoupled (default)      0.01  0.001          1e-05  99 %            69,314  an embedding"
    )
    assert len(lines) == 2 + len(list(model.parameters()))


def test_json_is_strict_and_complete() -> None:
    model = Tied()
    found = ledger(model, SGD(model.parameters(), lr=0.1), steps=10).to_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["optimizer"], found["steps"], len(found["rows"])) == ("SGD", 10, 9)
    assert found["rows"][0]["names"] == ["embed.weight", "head.weight"]
    assert found["rows"][0]["half_life"] is None  # nothing is taken, so it is infinite


def test_difference_of_two_set_ups() -> None:
    model = Tied()
    every = AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    matrices = [each for each in model.parameters() if each.ndim > 1]
    others = [each for each in model.parameters() if each.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
    split = AdamW(groups, lr=1e-3, weight_decay=0.1)
    first, second = ledger(model, every, steps=10), ledger(model, split, steps=10)
    lines = first.diff(second).splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["-", "norm.weight"],
        ["+", "norm.weight"],
        ["-", "norm.bias"],
        ["+", "norm.bias"],
    ]
    assert "decoupled" in lines[1]
    assert "none" in lines[2]
    assert lines[-1] == "  5 more are the same"
    assert first.diff(first) == "no difference in 9 parameters"


def test_schedule_needs_the_number_of_steps() -> None:
    model = net()
    with pytest.raises(ValueError, match="lr_schedule needs steps=, the number of optimizer steps to come"):
        ledger(model, SGD(model.parameters(), lr=0.1), lr_schedule=[0.1])
