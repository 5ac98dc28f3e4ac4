"""``clipped-penalty``: how much of a penalty is left, and loops in which it is not clipped."""

import pytest
import torch
from probing import read
from torch import nn

RULE = "clipped-penalty"
CLIP = "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
CODE = """
import torch
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
def step(x, y):
    loss = f(model(x), y) + {}
    {}
    optimizer.step()
"""


def test_a_gradient_of_100_leaves_a_hundredth_of_the_penalty():
    w = nn.Parameter(torch.tensor([0.0, 1.0]))
    (100 * w[0] + 0.01 * w.square().sum()).backward()
    assert w.grad is not None
    before = w.grad[1].item()
    torch.nn.utils.clip_grad_norm_([w], 1.0)
    assert w.grad[1].item() / before == pytest.approx(0.01, rel=1e-3)


def test_a_clipped_l2_is_cured_with_twice_its_strength_as_decay():
    (found,) = read(RULE, CODE.format("1e-3 * model.weight.square().sum()", f"loss.backward()\n    {CLIP}"))
    assert "weight_decay=0.002" in found.cure


def test_a_clipped_l1_is_cured_by_a_threshold():
    (found,) = read(RULE, CODE.format("1e-3 * model.weight.abs().sum()", f"loss.backward()\n    {CLIP}"))
    assert "clamp(min=0)" in found.cure


@pytest.mark.parametrize(
    ("penalty", "lines"),
    [
        ("0.0", f"loss.backward()\n    {CLIP}"),
        ("1e-3 * model.weight.square().sum()", "loss.backward()"),
        ("1e-3 * model.weight.square().sum()", f"{CLIP}\n    loss.backward()"),
        ("1e-3 * model.weight.square().sum().item()", f"loss.backward()\n    {CLIP}"),
    ],
)
def test_without_a_penalty_or_without_clipping_there_is_nothing(penalty, lines):
    assert read(RULE, CODE.format(penalty, lines)) == []
