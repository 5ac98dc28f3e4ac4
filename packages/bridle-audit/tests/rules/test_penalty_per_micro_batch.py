"""``penalty-per-micro-batch``: by how much a penalty counts too much, and loops that divide everything."""

import pytest
import torch
from probing import read

RULE = "penalty-per-micro-batch"
CODE = """
import torch
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
steps, lam = 4, 0.1
lam_each = lam / steps
for i, (x, y) in enumerate(loader):
    {}
    if (i + 1) % steps == 0:
        optimizer.step()
        optimizer.zero_grad()
"""


def test_four_micro_batches_make_it_four_times_as_strong():
    for divided, expected in ((False, 0.40), (True, 0.10)):
        w = torch.ones(1, requires_grad=True)
        for _ in range(4):
            penalty = 0.1 * w.square().sum() / 2
            (penalty / 4 if divided else penalty).backward()
        assert w.grad is not None and w.grad.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    "lines",
    [
        "loss = f(model(x), y) / steps + lam * model.weight.norm()\n    loss.backward()",
        "loss = f(model(x), y)\n    loss = loss / steps\n    loss = loss + lam * model.weight.norm()\n"
        "    loss.backward()",
        "loss = f(model(x), y) / steps\n    loss += 0.1 * model.weight.pow(2).sum() / 2\n"
        "    scaler.scale(loss).backward()",
    ],
)
def test_a_penalty_beside_a_divided_loss_is_found(lines):
    (found,) = read(RULE, CODE.format(lines))
    assert "counts 4 times" in found.message


@pytest.mark.parametrize(
    "lines",
    [
        "loss = (f(model(x), y) + lam * model.weight.norm()) / steps\n    loss.backward()",
        "loss = f(model(x), y) + lam * model.weight.norm()\n    loss = loss / steps\n    loss.backward()",
        "loss = f(model(x), y) / steps + lam * model.weight.norm() / steps\n    loss.backward()",
        "loss = f(model(x), y) / steps + lam / steps * model.weight.norm()\n    loss.backward()",
        "loss = f(model(x), y) / steps + lam_each * model.weight.norm()\n    loss.backward()",
        "loss = f(model(x), y) + lam * model.weight.norm()\n    (loss / steps).backward()",
        "loss = f(model(x), y) + lam * model.weight.norm()\n    loss.backward()",
        "loss = f(model(x), y) / len(x) + lam * model.weight.norm()\n    loss.backward()",
        "loss = f(model(x), y) / steps\n    loss.backward()",
    ],
)
def test_what_is_divided_alike_is_not(lines):
    assert read(RULE, CODE.format(lines)) == []


def test_a_loop_that_steps_every_time_does_not_accumulate():
    lines = "loss = f(model(x), y) / steps + lam * model.weight.norm()\n    loss.backward()\n    optimizer.step()"
    text = CODE.format(lines).replace("if (i + 1) % steps == 0", "if i == 0")
    assert read(RULE, text) == []
