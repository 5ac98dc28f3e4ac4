"""Rates that let next to nothing through."""

import pytest
import torch
import torch.nn.functional as F
from probing import line_of, probed, read
from torch import nn

RULE = "extreme-dropout"
X = torch.randn(8, 16, generator=torch.Generator().manual_seed(3))


class Function(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.first, self.rate = nn.Linear(16, 16), rate

    def forward(self, x):
        return F.dropout(self.first(x), self.rate, self.training)


@pytest.mark.parametrize(("rate", "severity"), [(0.8, "warning"), (0.95, "warning"), (1.0, "error")])
def test_it_tells_little_from_nothing(rate, severity):
    for model in (nn.Sequential(nn.Linear(16, 16), nn.Dropout(rate)), Function(rate)):
        (finding,) = probed(RULE, model, None, (X, None))
        assert finding.severity == severity
        assert finding.numbers == {"rate": rate}


def test_a_layer_is_named_without_a_batch_too():
    (finding,) = probed(RULE, nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.9)))
    assert finding.where == "1"
    assert finding.cure == "nn.Dropout(0.1)"


def test_the_rates_of_the_papers_are_silent():
    assert probed(RULE, nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 16), nn.Dropout(0.5)), None, (X, None)) == []


def test_a_rate_of_one_leaves_zeros():
    assert not nn.Dropout(1.0)(X).any()


def test_it_reads_rates_that_are_written_out_or_named_once():
    text = """from torch import nn
import torch.nn.functional as F
RATE = {rate}
layer = nn.Dropout(RATE)
drop = F.dropout(x, {rate})
"""
    assert [line_of(each) for each in read(RULE, text.format(rate=0.9))] == [4, 5]
    assert [each.severity for each in read(RULE, text.format(rate=1.0))] == ["error", "error"]
    assert read(RULE, text.format(rate=0.5)) == []
    assert read(RULE, "from keras import layers\nlayers.Dropout(0.9)\n")


@pytest.mark.parametrize(
    "layer",
    [
        "nn.FeatureAlphaDropout({})",
        "keras.layers.Dropout(rate={})",
        "keras.layers.SpatialDropout3D({})",
        "keras.layers.AlphaDropout({})",
        "F.feature_alpha_dropout(x, {})",
        "torch.dropout(x, {}, True)",
    ],
)
def test_it_reads_every_dropout_by_its_own_name_of_the_rate(layer):
    head = "import keras, torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
    assert len(read(RULE, head + layer.format(0.9))) == 1
    assert read(RULE, head + layer.format(0.5)) == []
