"""Helpers to compare the steps of trainers: rows, a recipe that acts at every place, and recorded weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ROWS, FEATURES, CLASSES, BATCH, SEED = 40, 6, 3, 8, 7
maker = torch.Generator().manual_seed(1)
X = torch.randn(ROWS, FEATURES, generator=maker)
Y = (X[:, :CLASSES] + torch.randn(ROWS, CLASSES, generator=maker)).argmax(1)
VALID_X = torch.randn(ROWS, FEATURES, generator=maker)
VALID_Y = VALID_X[:, :CLASSES].argmax(1)

EVERYTHING_AT_ONCE = (
    "Mixup(alpha=0.4) + InputNoise(spread=0.1) + Dropout(rate=0.2) + L2(strength=0.01) + ActivityL2(strength=0.01) + "
    "RDrop(strength=0.5) + SAM(radius=0.1) + ClipNorm(limit=0.5) + GradientNoise(spread=0.001) + "
    "WeightDecay(strength=0.1) + EMA(decay=0.8, warmup=0) + EarlyStopping(patience=2)"
)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the model's state."""
    return {name: each.detach().clone() for name, each in model.state_dict().items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Check that two states are equal, bit for bit."""
    assert list(one) == list(other)
    for name, each in one.items():
        assert torch.equal(each, other[name]), name
