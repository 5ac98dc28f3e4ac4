"""What dropout makes of the variance that a SELU keeps."""

import pytest
import torch
import torch.nn.functional as F
from probing import probed, read
from torch import nn

RULE = "selu-with-plain-dropout"
X = torch.randn(8, 16, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(("rate", "variance"), [(0.2, 1.25), (0.5, 2.00)])
def test_dropout_raises_the_variance_and_alpha_dropout_keeps_it(rate, variance):
    torch.manual_seed(0)
    h = F.selu(torch.randn(500_000))
    assert h.var().item() == pytest.approx(1.00, abs=0.01)
    assert F.dropout(h, rate).var().item() == pytest.approx(variance, rel=0.01)
    assert F.alpha_dropout(h, rate, training=True).var().item() == pytest.approx(1.00, abs=0.01)
    (finding,) = probed(RULE, nn.Sequential(nn.Linear(16, 16), nn.SELU(), nn.Dropout(rate)), None, (X, None))
    assert finding.numbers["growth"] == pytest.approx(variance)


def test_functions_are_seen_as_well():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(16, 16)

        def forward(self, x):
            return F.dropout(F.selu(self.first(x)), 0.2, self.training)

    (finding,) = probed(RULE, Net(), None, (X, None))
    assert finding.where == "dropout in the model"


@pytest.mark.parametrize(
    "layers",
    [
        [nn.SELU(), nn.AlphaDropout(0.2)],
        [nn.ReLU(), nn.Dropout(0.2)],
        [nn.SELU(), nn.Linear(16, 16), nn.Dropout(0.2)],
        [nn.SELU(), nn.Dropout(0.0)],
    ],
    ids=["alpha", "relu", "a layer between", "off"],
)
def test_other_pairs_are_silent(layers):
    assert probed(RULE, nn.Sequential(nn.Linear(16, 16), *layers), None, (X, None)) == []


def test_it_reads_the_pair():
    text = "from torch import nn\nmodel = nn.Sequential(nn.Linear(4, 4), nn.SELU(), nn.{kind}(0.2), nn.Linear(4, 2))\n"
    (finding,) = read(RULE, text.format(kind="Dropout"))
    assert "1.25" in finding.message
    assert finding.cure == "nn.AlphaDropout(0.2)"
    assert read(RULE, text.format(kind="AlphaDropout")) == []
