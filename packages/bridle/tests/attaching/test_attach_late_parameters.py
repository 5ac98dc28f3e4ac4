"""Parameters that are trained later are acted on from then on; what is replaced is told, what is frozen left alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from loops import CRITERION, data, perceptron
from torch import Tensor, nn

from bridle.attaching import Handle, attach

HOW = ["add_param_group", "in the optimizer"]
KINDS: list[Any] = [torch.optim.SGD, torch.optim.AdamW]


def unfrozen(
    recipe: str, how: str, kind: Any = torch.optim.SGD, *, late: bool = True, steps: int = 5, frozen: int = 2
) -> Handle:
    """Trained with a backbone that was frozen when the recipe was attached, or before that; then all is trained."""
    model = perceptron()
    backbone = list(model[0].parameters())
    model[0].requires_grad_(not late)
    held = [each for each in model.parameters() if how == HOW[1] or each not in set(backbone)]
    optimizer = kind(held, lr=0.1, weight_decay=0.3)
    if not late and how == HOW[0]:
        optimizer.add_param_group({"params": backbone})
    handle = attach(model, optimizer, recipe, steps=20)
    model[0].requires_grad_(False)
    run(handle, frozen)
    model[0].requires_grad_(True)
    if late and how == HOW[0]:
        optimizer.add_param_group({"params": backbone})
    run(handle, steps)
    return handle


def run(handle: Handle, steps: int) -> None:
    x, y = data()
    for _ in range(steps):
        handle.optimizer.zero_grad()
        CRITERION(handle.model(x), y).backward()
        handle.ascend(lambda: CRITERION(handle.model(x), y))
        handle.optimizer.step()


def everything(handle: Handle) -> dict[str, Tensor]:
    found = {name: each.detach().clone() for name, each in handle.model.named_parameters()}
    with handle.averaged():
        found |= {f"average of {name}": each.detach().clone() for name, each in handle.model.named_parameters()}
    return found


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "recipe", ["L2(strength=0.5) + EMA(decay=0.5)", "L2ToInit(strength=0.5) + MaxNorm(limit=0.5) + SWA",
               "WeightDecay(strength=0.4) + Lookahead", "SAM(radius=0.1) + ClipNorm(limit=0.01)"]
)  # fmt: skip
def test_what_is_unfrozen_later_is_acted_on_as_if_it_had_been_known(how: str, kind: Any, recipe: str) -> None:
    late, known = unfrozen(recipe, how, kind), unfrozen(recipe, how, kind, late=False)
    torch.testing.assert_close(everything(late), everything(known))
    assert any("trained since step 3" in note and "0.weight, 0.bias" in note for note in late.notes)
    assert str(late).splitlines()[0].count("0.weight") == str(known).splitlines()[0].count("0.weight")


def test_a_state_goes_on_whether_parameters_had_come_before_it_or_come_behind_it() -> None:
    recipe = "EMA(decay=0.5) + L2ToInit(strength=0.1)"
    whole = unfrozen(recipe, HOW[0], steps=6)
    first = unfrozen(recipe, HOW[0], steps=3)
    again = unfrozen(recipe, HOW[0], steps=0, frozen=0)
    again.model.load_state_dict(first.model.state_dict())
    again.load_state_dict(first.state_dict())  # before the step at which they come
    assert "0.weight" in again.state_dict()["averages"][0]
    run(again, 3)
    torch.testing.assert_close(everything(again), everything(whole))
    before = unfrozen(recipe, HOW[0], steps=0)
    other = unfrozen(recipe, HOW[0], steps=1)
    other.load_state_dict(before.state_dict())  # which knows nothing of what the handle has
    assert "0.weight" in other.state_dict()["averages"][0]


def test_detach_gives_the_groups_their_own_decay_back() -> None:
    handle = unfrozen("WeightDecay(strength=0.4)", HOW[0], torch.optim.AdamW)
    handle.detach()
    assert [group["weight_decay"] for group in handle.optimizer.param_groups] == [0.3, 0.3]


def test_a_formula_that_would_have_to_make_the_weight_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"WeightNorm.* makes weights from attach on, and 0.weight is trained only"):
        unfrozen("WeightNorm", HOW[0])


def replaced(handle: Handle) -> None:
    handle.model.get_submodule("0").weight = nn.Parameter(torch.ones(8, 6))


def loaded(handle: Handle) -> None:
    handle.model.load_state_dict(perceptron(1).state_dict(), assign=True)


@pytest.mark.parametrize("way", [replaced, loaded])
def test_parameters_that_the_optimizer_does_not_hold_any_more_are_told(way: Any) -> None:
    model = perceptron()
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "EMA")
    run(handle, 1)
    way(handle)
    with pytest.raises(RuntimeError, match=r"0\.weight is another parameter than it was"):
        run(handle, 1)


def test_a_parameter_that_takes_anothers_place_in_model_and_optimizer_is_acted_on() -> None:
    model = perceptron()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    handle = attach(model, optimizer, "EMA(decay=0.5) + MaxNorm(limit=0.5)")
    run(handle, 1)
    model[0] = nn.Linear(6, 8)
    optimizer.add_param_group({"params": list(model[0].parameters())})
    start = model.get_parameter("0.weight").detach().clone()
    run(handle, 1)
    assert model.get_parameter("0.weight").norm(dim=1).max() <= 0.5 + 1e-5
    with handle.averaged():
        average = model.get_parameter("0.weight").detach().clone()
    now = model.get_parameter("0.weight").detach()
    share = ((average - start) * (now - start)).sum() / (now - start).square().sum()
    torch.testing.assert_close(average, start.lerp(now, share.item()))
    assert 0.4 < share < 0.95  # the decay grows from the first step on


def test_what_is_frozen_meanwhile_is_left_alone_though_its_gradient_is_zero() -> None:
    model = perceptron()
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "L2(strength=0.5) + WeightDecay(strength=0.5)")
    run(handle, 1)
    handle.optimizer.zero_grad(set_to_none=False)
    model[0].requires_grad_(False)
    before = model.get_parameter("0.weight").clone()
    CRITERION(model(data()[0]), data()[1]).backward()
    handle.optimizer.step()
    assert torch.equal(model.get_parameter("0.weight"), before)
