"""Dropout behind the last layer, by the zeros that it leaves."""

import pytest
import torch
import torch.nn.functional as F
from probing import line_of, probed, read
from torch import nn

RULE = "dropout-on-logits"
X, Y = torch.randn(32, 6, generator=torch.Generator().manual_seed(3)), torch.arange(32) % 4


class Ending(nn.Module):
    """A small network with a function behind its last layer, which knows of the mode."""

    def __init__(self, ending, outputs=4):
        super().__init__()
        self.hidden, self.output, self.ending = nn.Linear(6, 8), nn.Linear(8, outputs), ending

    def forward(self, x):
        return self.ending(self.output(self.hidden(x).relu()), self.training)


def test_half_of_the_rows_lose_the_only_logit_that_is_right():
    y = torch.arange(10_000) % 10
    logits = 5.0 * F.one_hot(y, 10)
    assert F.cross_entropy(logits, y).item() == pytest.approx(0.06, abs=5e-3)
    torch.manual_seed(0)
    assert F.cross_entropy(F.dropout(logits, 0.5), y).item() == pytest.approx(1.15, abs=0.03)


def test_it_finds_a_function_and_says_how_much_is_dropped():
    (finding,) = probed(RULE, Ending(lambda z, on: F.dropout(z, 0.5, on)), nn.CrossEntropyLoss(), (X, Y))
    assert finding.numbers["zeros"] == pytest.approx(0.5, abs=0.15)
    assert finding.where == "dropout in the model"


def test_it_finds_a_mask_that_is_drawn_by_hand():
    model = Ending(lambda z, on: z * (torch.rand_like(z) > 0.3) if on else z)
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (X, Y))
    assert finding.where == "the model's output"


@pytest.mark.parametrize("loss", [nn.BCEWithLogitsLoss(), nn.MSELoss()])
def test_it_finds_dropout_of_a_single_output(loss):
    model = Ending(lambda z, on: F.dropout(z, 0.5, on), outputs=1)
    assert probed(RULE, model, loss, (X, (Y % 2).float()[:, None]))


def test_rows_that_lose_all_their_inputs_have_lost_no_outputs():
    model = nn.Sequential(nn.Linear(6, 2), nn.Dropout(0.5), nn.Linear(2, 4, bias=False))  # one row in four is all zero
    assert bool((model(X) == 0).all(1).any())
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []


def test_zeros_of_a_relu_are_no_dropout():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 4), nn.ReLU())
    assert probed(RULE, model, nn.MSELoss(), (X, torch.rand(32, 4))) == []


def test_features_without_a_loss_may_be_dropped():
    assert probed(RULE, Ending(lambda z, on: F.dropout(z, 0.5, on)), None, (X, Y)) == []


def test_it_reads_dropout_at_the_end_but_not_one_with_a_rate_of_zero():
    text = """
from torch import nn

model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), {layers})
criterion = nn.CrossEntropyLoss()
for x, y in loader:
    loss = criterion(model(x), y)
    loss.backward()
"""
    (finding,) = read(RULE, text.format(layers="nn.Linear(8, 3), nn.Dropout(0.4)"))
    assert "0.4" in finding.message and line_of(finding) == 4
    assert read(RULE, text.format(layers="nn.Linear(8, 3), nn.Dropout(0)")) == []
    assert read(RULE, text.format(layers="nn.Dropout(0.4), nn.Linear(8, 3)")) == []
