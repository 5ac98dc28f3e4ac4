"""Channel dropouts and where the channels are."""

import pytest
import torch
from probing import probed
from torch import nn

RULE = "channel-dropout-on-sequence"
X = torch.randn(8, 5, 16, generator=torch.Generator().manual_seed(3))


class Transposed(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.transpose(1, 2)).transpose(1, 2)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(16, 16), nn.Dropout1d(0.3)),
        nn.Sequential(nn.Linear(16, 16), nn.GELU(), nn.Dropout1d(0.3)),
        nn.Sequential(nn.Dropout1d(0.3), nn.Linear(16, 16)),
        nn.Sequential(
            nn.LayerNorm(16), nn.Dropout2d(0.3), nn.ReLU(), nn.Linear(16, 16)
        ),  # torch takes 3 axes, and warns
        nn.Sequential(nn.Dropout1d(0.3), nn.GRU(16, 8, batch_first=True)),
    ],
    ids=["behind linear", "behind an activation", "before linear", "2d behind a norm", "before a recurrent layer"],
)
def test_features_on_the_last_axis_are_a_warning(model):
    (finding,) = probed(RULE, model, None, (X, None))
    assert (finding.numbers["steps"], finding.numbers["features"]) == (5, 16)


def test_images_with_their_channels_last_are_meant_too():
    model = nn.Sequential(nn.LayerNorm(16), nn.Dropout2d(0.3), nn.Linear(16, 4))
    assert probed(RULE, model, None, (torch.randn(4, 6, 6, 16), None))


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.3)),
        nn.Sequential(nn.Linear(16, 16), Transposed(nn.Dropout1d(0.3)), nn.Linear(16, 4)),
        nn.Sequential(nn.Conv1d(5, 8, 3), nn.ReLU(), nn.Dropout1d(0.3), nn.Conv1d(8, 4, 3)),
        nn.Sequential(nn.Conv1d(5, 8, 3), nn.BatchNorm1d(8), nn.Dropout1d(0.3), nn.Flatten(), nn.Linear(112, 4)),
    ],
    ids=["plain", "transposed", "convolutions", "flattened"],
)
def test_channels_on_the_second_axis_are_silent(model):
    assert probed(RULE, model, None, (X, None)) == []


def test_whole_steps_are_dropped():
    torch.manual_seed(0)
    dropped = nn.Dropout1d(0.5)(X.abs() + 1)
    assert torch.equal((dropped == 0).all(2), (dropped == 0).any(2))
