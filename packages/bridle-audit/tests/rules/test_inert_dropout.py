"""Dropout that is there and does not act; and dropout that seems not to act and does."""

import pytest
import torch
import torch.nn.functional as F
from probing import probed
from torch import nn

RULE = "inert-dropout"
X = torch.randn(8, 5, 16, generator=torch.Generator().manual_seed(3))


class Between(nn.Module):
    """Two layers, a dropout, and a function of the module between the layers."""

    def __init__(self, change, rate=0.5):
        super().__init__()
        self.first, self.last, self.drop, self.change = nn.Linear(16, 16), nn.Linear(16, 16), nn.Dropout(rate), change

    def forward(self, x):
        return self.last(self.change(self, self.first(x)))


def discards(self, h):
    self.drop(h)
    return h


def test_a_dropout_that_forward_forgets_is_named():
    (finding,) = probed(RULE, Between(lambda self, h: h.relu()), None, (X, None))
    assert (finding.where, finding.severity) == ("drop", "note")
    assert "rate 0.5" in finding.message


def test_another_layer_of_the_same_rate_does_not_stand_in_for_it():
    model = Between(lambda self, h: self.other(h))
    model.other = nn.Dropout(0.5)
    (finding,) = probed(RULE, model, None, (X, None))
    assert finding.where == "drop"


def test_a_dropout_whose_result_is_thrown_away_is_found_by_its_missing_effect():
    (finding,) = probed(RULE, Between(discards), None, (X, None))
    assert finding.where == "drop"
    assert finding.numbers["dropped"] == pytest.approx(0.5 * X.numel())


@pytest.mark.parametrize(
    "change",
    [
        lambda self, h: self.drop(h),
        lambda self, h: F.dropout(h, self.drop.p, self.training),
        lambda self, h: F.scaled_dot_product_attention(h, h, h, dropout_p=self.drop.p if self.training else 0.0),
    ],
    ids=["called", "read by a function", "read by attention"],
)
def test_what_acts_is_silent(change):
    assert probed(RULE, Between(change), None, (X, None)) == []


def test_a_rate_of_zero_is_off_on_purpose():
    assert probed(RULE, Between(lambda self, h: h, rate=0.0), None, (X, None)) == []


def test_dropout_in_front_of_weights_of_zero_acts():
    model = Between(lambda self, h: self.drop(h))
    nn.init.zeros_(model.last.weight)
    assert probed(RULE, model, None, (X, None)) == []


def test_what_is_in_a_part_that_was_not_at_work_is_not_missed():
    model = Between(lambda self, h: self.drop(h))
    model.decoder = nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.5))
    assert probed(RULE, model, None, (X, None)) == []


@pytest.mark.filterwarnings("ignore:dropout option adds dropout")
def test_dropout_between_the_layers_of_a_single_layer_is_a_warning():
    (finding,) = probed(RULE, nn.GRU(16, 8, dropout=0.3, batch_first=True), None, (X, None))
    assert finding.severity == "warning"
    assert "num_layers is 1" in finding.message
    assert probed(RULE, nn.GRU(16, 8, 2, dropout=0.3, batch_first=True), None, (X, None)) == []
