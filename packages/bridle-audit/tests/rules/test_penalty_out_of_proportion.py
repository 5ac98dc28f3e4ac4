"""``penalty-out-of-proportion``: penalties that are all of the loss, or nothing of it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from probing import probed
from torch import Tensor, nn

from bridle_audit.findings import Finding
from bridle_audit.rules import RULES

RULE = "penalty-out-of-proportion"
X, Y = torch.randn(16, 20), torch.arange(16) % 5


def squared(model: nn.Module) -> Tensor:
    """Return the squared L2 norm of all parameters."""
    return torch.stack([each.square().sum() for each in model.parameters()]).sum()


def found_with(strength: float, penalty: Callable[[nn.Module], Any] = squared) -> list[Finding]:
    """What is found in a small network."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5))
    return probed(RULE, model, nn.CrossEntropyLoss(), (X, Y), penalty=lambda m: strength * penalty(m))


def test_the_page_names_the_penalty_and_the_loss_of_its_example():
    names: dict[str, Any] = {}
    exec(RULES[RULE].page.example, names)
    assert names["penalty"](names["model"]).item() == pytest.approx(86, abs=0.5)
    assert names["loss"](names["model"](names["x"]), names["y"]).item() == pytest.approx(1.6, abs=0.05)


@pytest.mark.parametrize("strength", [1.0, 1e-10])
def test_too_much_and_too_little_are_found(strength):
    (found,) = found_with(strength)
    ratio = found.numbers["penalty"] / found.numbers["loss"]
    assert ratio > 10 or ratio < 1e-6


@pytest.mark.parametrize("strength", [1e-1, 1e-3, 1e-5])
def test_usual_strengths_are_fine(strength):
    assert found_with(strength) == []


def test_a_distance_that_begins_at_zero_is_fine():
    assert found_with(1.0, lambda m: sum((p - p.detach()).square().sum() for p in m.parameters())) == []


def test_a_large_number_with_a_small_gradient_is_fine():
    assert found_with(1.0, lambda m: 1000 + 1e-3 * sum(p.square().sum() for p in m.parameters())) == []
