"""Drop-path and the way around it."""

import pytest
import torch
from probing import probed
from torch import nn

RULE = "drop-path-without-residual"
X, Y = torch.randn(8, 6, generator=torch.Generator().manual_seed(3)), torch.arange(8) % 3


class StochasticDepth(nn.Module):
    """As torchvision calls it."""

    def __init__(self, p, mode="row"):
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, x):
        return x * (torch.rand(len(x), 1) >= self.p) / (1 - self.p) if self.training else x


class RowDrop(StochasticDepth):
    """Under a name of one's own, that at least says that it drops."""


class Net(nn.Module):
    def __init__(self, drop, residual):
        super().__init__()
        self.first, self.branch, self.last = nn.Linear(6, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU()), nn.Linear(8, 3)
        self.drop, self.residual = drop, residual

    def forward(self, x):
        h = self.first(x).relu()
        return self.last(self.drop(self.branch(h)) + (h if self.residual else 0))


@pytest.mark.parametrize("drop", [StochasticDepth(0.2), RowDrop(0.5)], ids=lambda each: type(each).__name__)
def test_without_a_shortcut_a_dropped_row_is_lost(drop):
    torch.manual_seed(0)
    (finding,) = probed(RULE, Net(drop, residual=False), nn.CrossEntropyLoss(), (X, Y))
    assert finding.where == "drop"
    assert probed(RULE, Net(drop, residual=True), nn.CrossEntropyLoss(), (X, Y)) == []


def test_plain_dropout_needs_no_shortcut():
    torch.manual_seed(0)
    assert probed(RULE, Net(nn.Dropout(0.5), residual=False), nn.CrossEntropyLoss(), (X, Y)) == []


def test_a_last_layer_that_starts_at_zero_hides_the_rows():
    model = Net(StochasticDepth(0.2), residual=True)
    nn.init.zeros_(model.last.weight)
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []
