"""Dropout of what another dropout gives."""

import pytest
import torch
import torch.nn.functional as F
from probing import probed, read
from torch import nn

RULE = "stacked-dropout"
X = torch.randn(8, 4, 16, generator=torch.Generator().manual_seed(3))


class DropPath(nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        return x * (torch.rand(len(x), 1, 1) >= self.drop_prob) if self.training else x


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.drop = nn.Linear(16, 16), nn.Dropout(0.3)

    def forward(self, x):
        return F.dropout(self.drop(self.first(x)), 0.5, self.training)


def test_a_layer_and_a_function_compound():
    (finding,) = probed(RULE, Twice(), None, (X, None))
    assert finding.numbers["together"] == pytest.approx(0.65)
    assert "0.65" in finding.message


def test_flattening_between_changes_nothing():
    model = nn.Sequential(nn.Linear(16, 16), nn.Dropout1d(0.5), nn.Flatten(), nn.Dropout(0.5))
    (finding,) = probed(RULE, model, None, (X, None))
    assert finding.numbers["together"] == 0.75
    assert finding.where == "3"


def test_the_mean_square_behind_two_is_twice_that_behind_one():
    torch.manual_seed(0)
    ones = torch.ones(200_000)
    assert F.dropout(ones, 0.5).square().mean().item() == pytest.approx(2, rel=0.02)
    assert F.dropout(F.dropout(ones, 0.5), 0.5).square().mean().item() == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Dropout(0.5), nn.Linear(16, 16), nn.Dropout(0.5)),
        nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.5), nn.Dropout(0.0)),
        nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.1), DropPath(0.1)),
        nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.5), nn.ReLU(), nn.Dropout(0.5)),
        nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True), 2),
    ],
    ids=["a layer between", "off", "drop-path", "an activation between", "transformer"],
)
def test_what_does_not_stand_in_a_row_is_silent(model):
    assert probed(RULE, model, None, (X, None)) == []


def test_it_reads_two_in_a_row():
    text = "from torch import nn\nmodel = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.3), {layers}nn.Linear(4, 2))\n"
    (finding,) = read(RULE, text.format(layers="nn.Flatten(), nn.Dropout(0.5), "))
    assert "0.65" in finding.message
    assert read(RULE, text.format(layers="nn.ReLU(), nn.Dropout(0.5), ")) == []
    assert read(RULE, text.format(layers="")) == []


def test_it_reads_the_rate_under_the_name_that_it_has():
    text = (
        "import keras\nmodel = keras.Sequential([keras.layers.Dense(4), keras.layers.Dropout(rate=0.3), "
        "keras.layers.Dropout(rate={}), keras.layers.Dense(2)])\n"
    )
    (finding,) = read(RULE, text.format(0.4))
    assert "0.58" in finding.message
    assert read(RULE, text.format(0.0)) == []
