"""``penalty-is-only-gradient``: the strength that cancels under Adam, and parameters that data reach later."""

import pytest
import torch
from probing import probed
from torch import nn

RULE = "penalty-is-only-gradient"
BATCH = (torch.randn(8, 4), torch.arange(8) % 2)


class Spare(nn.Module):
    """A network with a head that it does not use."""

    def __init__(self):
        super().__init__()
        self.head, self.spare = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(x)


class Branch(nn.Module):
    """A residual branch that begins with a scale of zero."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(4, 4), nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return self.head(x + self.scale * torch.tanh(self.inner(x)))


def squares(model):
    """A penalty of all matrices."""
    return 1e-4 * sum(p.square().sum() for p in model.parameters() if p.ndim > 1)


def found_in(model, optimizer):
    """What is found with the penalty."""
    return probed(RULE, model, nn.CrossEntropyLoss(), BATCH, optimizer=optimizer, penalty=squares)


@pytest.mark.parametrize("strength", [1e-5, 1.0])
def test_under_adam_the_strength_cancels(strength):
    w = nn.Parameter(torch.full((3,), 0.5))
    optimizer = torch.optim.Adam([w], lr=1e-3)
    for _ in range(100):
        optimizer.zero_grad()
        (strength * w.square().sum()).backward()
        optimizer.step()
    assert w[0].item() == pytest.approx(0.40, abs=0.005)


def test_what_twice_the_penalty_would_do_is_measured():
    model = Spare()
    (found,) = found_in(model, torch.optim.Adam(model.parameters(), lr=1e-3))
    assert found.where == "spare.weight"
    assert found.numbers["effect of twice the penalty"] == pytest.approx(1.0, abs=0.01)


def test_sgd_keeps_the_strength():
    model = Spare()
    assert found_in(model, torch.optim.SGD(model.parameters(), lr=0.1)) == []


def test_a_branch_that_begins_at_zero_is_reached_later():
    model = Branch()
    assert found_in(model, torch.optim.Adam(model.parameters(), lr=1e-3)) == []


def test_a_frozen_head_is_fine():
    model = Spare()
    model.spare.requires_grad_(False)
    assert found_in(model, torch.optim.Adam(model.head.parameters(), lr=1e-3)) == []
