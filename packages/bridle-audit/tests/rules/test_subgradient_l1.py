"""``subgradient-l1``: how many weights become zero, and programs that set them to zero."""

import pytest
import torch
from probing import read
from torch import nn

import bridle
from bridle_audit.rules import RULES

RULE = "subgradient-l1"


def zeros(optimizer, *, proximal, steps=500, strength=0.1, lr=0.01):
    """How many of the 190 weights without use are exactly zero at the end."""
    generator = torch.Generator().manual_seed(0)
    x, truth = torch.randn(500, 200, generator=generator), torch.zeros(200, 1)
    truth[:10] = 2 * torch.randn(10, 1, generator=generator) + 1
    y = x @ truth + 0.1 * torch.randn(500, 1, generator=generator)
    torch.manual_seed(0)
    model = nn.Linear(200, 1)
    rule = optimizer(model.parameters(), lr=lr)
    w = model.weight
    for _ in range(steps):
        rule.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        (loss if proximal else loss + strength * w.abs().sum()).backward()
        rule.step()
        if proximal:
            with torch.no_grad():
                w.copy_(w.sign() * (w.abs() - lr * strength).clamp(min=0))
    return (w[0, 10:] == 0).sum().item()


def test_the_gradient_of_l1_makes_no_zeros_and_thresholds_make_all():
    assert zeros(torch.optim.SGD, proximal=False) == 0
    assert zeros(torch.optim.Adam, proximal=False) == 0
    assert zeros(torch.optim.SGD, proximal=True) == 190


CODE = "import torch\ndef step(x):\n    loss = f(model(x)) + 0.1 * {}\n    loss.backward()\n    optimizer.step()\n"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("sum(p.abs().sum() for p in model.parameters() if p.ndim > 1)", 1),
        ("torch.norm(model.weight, 1)", 1),
        ("model.weight.pow(2).sum()", 0),
        ("model.weight.abs().sum().item()", 0),
        ("activations.abs().mean()", 0),
    ],
)
def test_l1_penalties_of_weights_are_remarked_on(text, count):
    assert len(read(RULE, CODE.format(text))) == count


def test_a_program_that_thresholds_is_fine():
    text = CODE.format("model.weight.abs().sum()") + "    w.copy_(F.softshrink(w, 0.01))\n"
    assert read(RULE, text) == []


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        (bridle.L1() + bridle.Dropout(), 1),
        (bridle.Recipe.of(bridle.ElasticNet()), 1),
        (bridle.L1() + bridle.SoftThreshold(), 0),
        (bridle.Recipe.of(bridle.L2()), 0),
    ],
)
def test_recipes_with_l1_and_no_threshold_are_remarked_on(recipe, count):
    assert len(list(RULES[RULE].find("recipe", recipe))) == count
