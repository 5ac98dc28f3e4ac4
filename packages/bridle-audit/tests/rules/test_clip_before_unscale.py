"""``clip-before-unscale``: the scale it starts with, and loops that unscale in time."""

import pytest
import torch
from probing import read

RULE = "clip-before-unscale"
CODE = """
import torch
from torch.amp import GradScaler
scaler = GradScaler("cuda"{})
def train(model, loader, optimizer, criterion):
    for x, y in loader:
        scaler.scale(criterion(model(x), y)).backward()
        {}
        scaler.step(optimizer)
        scaler.update()
"""
CLIP = "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"


def test_the_scale_begins_at_65536():
    assert torch.amp.GradScaler("cpu").get_scale() == 65536
    assert pytest.approx(1.5e-5, rel=0.02) == 1 / 65536


@pytest.mark.parametrize(
    "lines",
    [
        CLIP,
        "nn.utils.clip_grad_value_(model.parameters(), 0.1)",
        f"{CLIP}\n        scaler.unscale_(optimizer)",
        "for p in model.parameters():\n            p.grad.add_(0.01 * torch.randn_like(p))",
        "for p in model.parameters():\n            p.grad.data.clamp_(-1, 1)",
    ],
)
def test_scaled_gradients_that_are_clipped_or_noised_are_found(lines):
    (found,) = read(RULE, CODE.format("", lines))
    assert "scaler.unscale_(optimizer)" in found.cure


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ("", f"scaler.unscale_(optimizer)\n        {CLIP}"),
        (", enabled=False", CLIP),
        ("", "pass"),
        ("", "for p, mask in masks:\n            p.grad.mul_(mask)"),
        ("", "for p, q in pairs:\n            p.grad.add_(q.grad)"),
        ("", f"if max_norm:\n            scaler.unscale_(optimizer)\n            {CLIP}"),
    ],
)
def test_gradients_that_are_unscaled_or_not_scaled_are_fine(more, lines):
    assert read(RULE, CODE.format(more, lines)) == []


def test_a_loop_without_a_scaler_is_fine():
    text = f"import torch\ndef step(model, loss, optimizer):\n    loss.backward()\n    {CLIP}\n    optimizer.step()\n"
    assert read(RULE, text) == []
    accelerated = text.replace("loss.backward()", "accelerator.backward(loss)")
    assert read(RULE, accelerated) == []


def test_a_helper_that_unscales_may_have_been_called():
    text = CODE.format("", f"prepare(optimizer)\n        {CLIP}")
    assert read(RULE, text + "def prepare(optimizer):\n    scaler.unscale_(optimizer)\n") == []


def test_a_scaled_loss_with_a_name_is_followed():
    lines = f"scaled = scaler.scale(loss)\n    scaled.backward()\n    {CLIP}\n    scaler.step(optimizer)\n"
    text = f"import torch\ndef step(model, loss, optimizer, scaler):\n    {lines}"
    assert len(read(RULE, text)) == 1
