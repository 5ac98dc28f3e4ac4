"""Which parameters decay, by what: the optimizer's groups are split, followed, and made whole again."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from loops import CRITERION, adam, data, perceptron, train, weight_of, weights
from torch import nn

from bridle.attaching import attach

DECAY = "WeightDecay(strength=0.5)"


def decays(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """The optimizer's own decay of each parameter."""
    names = {each: name for name, each in model.named_parameters()}
    return {names[each]: group["weight_decay"] for group in optimizer.param_groups for each in group["params"]}


def after(optimizer: str, recipe: str | None, steps: int = 4, **keywords: Any) -> torch.Tensor:
    model = perceptron().double()
    own = getattr(torch.optim, optimizer)(model.parameters(), lr=0.05, **keywords)
    train(attach(model, own, recipe, loss=CRITERION, steps=8), steps)
    return weights(model)


def test_adamw_decays_the_matrices_that_the_recipe_says_and_nothing_else() -> None:
    model = perceptron()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1)
    handle = attach(model, optimizer, "WeightDecay(strength={'2.*': 0.3, '*': 0.5}) + BatchNorm")
    found = decays(model, optimizer)
    assert found == {name: {"2.weight": 0.3}.get(name, 0.5) if name[1:] == ".weight" else 0.0 for name in found}
    assert len(optimizer.param_groups) == 3
    assert any("own weight_decay of 0.1 rests" in note for note in handle.notes)
    handle.detach()
    assert set(decays(model, optimizer).values()) == {0.1}


@pytest.mark.parametrize("strength", ["0.5", "linear(0.5, 0.1)", "{'2.*': 0.9, '*': linear(0.0, 0.4)}"])
def test_decay_by_groups_and_decay_by_hooks_walk_the_same_path(strength: str) -> None:
    in_groups = after("AdamW", f"WeightDecay(strength={strength})")
    by_hooks = after("Adam", f"WeightDecay(strength={strength})")
    torch.testing.assert_close(in_groups, by_hooks, rtol=1e-12, atol=1e-14)
    assert not torch.equal(in_groups, after("Adam", None))


def test_decay_replaces_the_optimizers_own() -> None:
    assert torch.equal(after("Adam", DECAY, weight_decay=0.3), after("Adam", DECAY))
    assert torch.equal(after("AdamW", DECAY, weight_decay=0.3), after("AdamW", DECAY, weight_decay=0.0))
    assert torch.equal(after("AdamW", "WeightDecay(strength=0.0)", weight_decay=0.3), after("Adam", None))


def test_without_decay_in_the_recipe_the_optimizers_own_stays() -> None:
    assert torch.equal(after("SGD", "EMA", weight_decay=0.3), after("SGD", None, weight_decay=0.3))
    model = perceptron()
    handle = attach(model, adam(model, weight_decay=0.3), "L2")
    assert any("own weight_decay of 0.3 stays, and L2 acts besides it" in note for note in handle.notes)


def test_l2_under_plain_sgd_is_torchs_own_weight_decay_of_twice_its_strength() -> None:
    torch.testing.assert_close(
        after("SGD", "L2(strength=0.1, on='all')"), after("SGD", None, weight_decay=0.2), rtol=1e-12, atol=1e-14
    )


def test_groups_that_are_split_off_follow_a_schedule() -> None:
    model = perceptron()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)
    handle = attach(model, optimizer, DECAY, loss=CRITERION)
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.param_groups[0]["betas"] = (0.5, 0.6)
    train(handle, 1)
    assert [(group["lr"], group["betas"]) for group in optimizer.param_groups] == [(0.25, (0.5, 0.6))] * 2


@pytest.mark.parametrize("first", ["schedule", "attach"])
def test_a_schedule_may_be_made_before_or_behind(first: str) -> None:
    model = perceptron()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)

    def schedule() -> torch.optim.lr_scheduler.LRScheduler:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)

    early = schedule() if first == "schedule" else None
    handle = attach(model, optimizer, DECAY, loss=CRITERION)
    made = early or schedule()
    for _ in range(4):
        train(handle, 1)
        made.step()
    assert all(group["lr"] == pytest.approx(0.0) for group in optimizer.param_groups)
    assert len(optimizer.param_groups) == (1 if early else 2)


def test_a_schedule_that_has_counted_the_groups_refuses_new_ones() -> None:
    model = perceptron()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
    with pytest.raises(ValueError, match="make the schedule after attach"):
        attach(model, optimizer, "BatchNorm")
    assert repr(model) == repr(perceptron())


def in_two_groups(model: nn.Sequential) -> list[dict[str, Any]]:
    """Return the groups of an optimizer: the first layer has a learning rate of its own."""
    return [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[2:].parameters()}]


def test_each_parameter_decays_by_the_rate_of_its_own_group() -> None:
    model = perceptron()
    optimizer = torch.optim.SGD(in_two_groups(model), lr=0.2)
    handle = attach(model, optimizer, DECAY)
    before = [weight_of(model, name).detach().clone() for name in ("0", "2")]
    for each in model.parameters():
        each.grad = torch.zeros_like(each)
    optimizer.step()
    torch.testing.assert_close(model.get_parameter("0.weight").detach(), before[0] * 0.95)
    torch.testing.assert_close(model.get_parameter("2.weight").detach(), before[1] * 0.9)
    assert handle.steps_done == 1


def test_new_parameters_join_the_group_of_their_layer() -> None:
    model = perceptron()
    optimizer = torch.optim.SGD(in_two_groups(model), lr=0.2)
    attach(model, optimizer, "BatchNorm")
    assert [len(group["params"]) for group in optimizer.param_groups] == [4, 6]


def test_groups_of_named_parameters_keep_their_names() -> None:
    model = perceptron()
    optimizer = torch.optim.AdamW(model.named_parameters())
    handle = attach(model, optimizer, f"BatchNorm + {DECAY}")
    names = [name for group in optimizer.param_groups for name in group["param_names"]]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    handle.detach()
    assert optimizer.param_groups[0]["param_names"] == [name for name, _ in model.named_parameters()]


def test_what_is_not_the_models_keeps_its_decay() -> None:
    model, other = perceptron(), nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([*model.parameters(), other], weight_decay=0.1)
    attach(model, optimizer, DECAY)
    assert [
        group["weight_decay"] for group in optimizer.param_groups if any(each is other for each in group["params"])
    ] == [0.1]


def test_frozen_parameters_are_left_alone() -> None:
    model = perceptron()
    model[0].requires_grad_(False)
    optimizer = adam(model)
    before = model.get_parameter("0.weight").clone()
    handle = attach(
        model,
        optimizer,
        f"L2(strength=0.1) + {DECAY} + MaxNorm(limit=0.01) + ShrinkPerturb + EMA",
        loss=CRITERION,
        steps=8,
    )
    train(handle, 8)
    with handle.averaged():
        assert torch.equal(model.get_parameter("0.weight"), before)
    assert "frozen, so left alone: 0.weight, 0.bias" in handle.notes


def test_parameters_without_a_gradient_in_a_step_are_left_alone() -> None:
    model = perceptron()
    optimizer = adam(model)
    attach(model, optimizer, f"L2 + {DECAY} + MaxNorm(limit=0.01) + ClipNorm")
    before = weights(model)
    optimizer.step()
    assert torch.equal(weights(model), before)
    model[0](data()[0]).sum().backward()
    optimizer.step()
    assert model.get_parameter("0.weight").norm(dim=1).max() <= 0.0101
    assert torch.equal(weights(model[2:]), weights(perceptron()[2:]))


def test_decay_that_rounding_takes_away_is_noted() -> None:
    for optimizer in (torch.optim.SGD, torch.optim.AdamW):
        model = perceptron().bfloat16()
        handle = attach(model, optimizer(model.parameters(), lr=0.001), "WeightDecay(strength=0.01)")
        assert any("too weak for weights of type torch.bfloat16" in note for note in handle.notes)
        model = perceptron()
        assert not attach(model, torch.optim.SGD(model.parameters(), lr=0.001), "WeightDecay(strength=0.01)").notes


def test_averages_of_short_numbers_are_kept_in_long_ones() -> None:
    model = perceptron().bfloat16()
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.5), "EMA(decay=0.999, warmup=0.0)", loss=CRITERION)
    start = weights(model).float()
    train(handle, 5)
    average = torch.cat([each.flatten() for each in handle.state_dict()["averages"][0].values()])
    assert average.dtype == torch.float32
    assert 0 < (average - start).abs().max() < 0.01
