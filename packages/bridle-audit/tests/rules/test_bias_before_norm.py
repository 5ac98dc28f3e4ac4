"""Biases without a gradient, by the gradient."""

import pytest
import torch
from probing import probed
from torch import nn

RULE = "bias-before-norm"
IMAGES = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(3))
ROWS, Y = IMAGES.flatten(1), torch.arange(8) % 4


class Images(nn.Module):
    """A convolution, a norm, and what makes logits of it."""

    def __init__(self, *layers):
        super().__init__()
        self.body, self.head = nn.Sequential(*layers), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.body(x).relu().mean((2, 3)))


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)],
        [nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8)],
        [nn.Conv2d(3, 8, 3), nn.AvgPool2d(2), nn.BatchNorm2d(8)],  # not next to each other
    ],
    ids=["batch", "instance", "pooled"],
)
def test_norms_that_subtract_the_mean_of_a_channel_take_the_bias_out(layers):
    torch.manual_seed(0)
    (finding,) = probed(RULE, Images(*layers), nn.CrossEntropyLoss(), (IMAGES, Y))
    assert finding.where == "body.0.bias"
    assert finding.numbers["biases"] == 8
    assert finding.numbers["largest share of the gradient"] < 1e-10


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)],
        [nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8)],  # takes out the mean of four channels: biases among them matter
        [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8)],
        [nn.Conv2d(3, 8, 3)],
    ],
    ids=["without", "group", "an activation between", "no norm"],
)
def test_biases_that_matter_are_silent(layers):
    torch.manual_seed(0)
    assert probed(RULE, Images(*layers), nn.CrossEntropyLoss(), (IMAGES, Y)) == []


def test_the_keys_of_an_attention_are_no_norm():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(12, 2, 16, dropout=0.0, batch_first=True)
    model = nn.Sequential(nn.Unflatten(1, (9, 12)), layer, nn.Flatten(), nn.Linear(108, 4))
    assert probed(RULE, model, nn.CrossEntropyLoss(), (ROWS, Y)) == []
