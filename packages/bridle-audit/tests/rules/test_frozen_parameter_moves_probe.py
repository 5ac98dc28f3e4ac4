"""``frozen-parameter-moves`` without a loop: frozen parameters whose gradients are zeros, and those that are safe."""

import pytest
import torch
from probing import probed
from torch import nn

RULE = "frozen-parameter-moves"


def frozen(*, set_to_none, **settings):
    """A model that was trained for a step, of which the first layer is then frozen."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, **settings)
    x = torch.ones(8, 4)
    model(x).sum().backward()
    optimizer.step()
    model[0].requires_grad_(False)
    optimizer.zero_grad(set_to_none=set_to_none)
    return model, optimizer


def test_momentum_and_decay_move_a_frozen_weight_by_a_half_in_five_steps():
    p = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.1)
    p.sum().backward()
    optimizer.step()
    p.requires_grad_(False)
    before = p.clone()
    for _ in range(5):
        optimizer.zero_grad(set_to_none=False)
        optimizer.step()
    assert (before - p)[0].item() == pytest.approx(0.50, abs=0.005)


@pytest.mark.parametrize("settings", [{"weight_decay": 0.1}, {"momentum": 0.9}, {"momentum": 0.9, "weight_decay": 0.1}])
def test_zeros_are_not_none(settings):
    model, optimizer = frozen(set_to_none=False, **settings)
    (found,) = probed(RULE, model, optimizer=optimizer)
    assert found.where == "0.weight, 0.bias"
    before = model[0].weight.clone()
    optimizer.step()
    assert not torch.equal(model[0].weight, before)


def test_none_is_safe():
    model, optimizer = frozen(set_to_none=True, momentum=0.9, weight_decay=0.1)
    assert probed(RULE, model, optimizer=optimizer) == []
    before = model[0].weight.clone()
    optimizer.step()
    assert torch.equal(model[0].weight, before)


def test_zeros_without_decay_and_momentum_move_nothing():
    model, optimizer = frozen(set_to_none=False)
    assert probed(RULE, model, optimizer=optimizer) == []
