"""Probabilities where logits belong: recognized by what they are, whatever made them."""

import math

import pytest
import torch
import torch.nn.functional as F
from probing import line_of, probed, read
from torch import nn

RULE = "softmax-before-cross-entropy"
X, Y = torch.randn(16, 6, generator=torch.Generator().manual_seed(3)), torch.arange(16) % 4


class Ending(nn.Module):
    """A small network that ends in a function."""

    def __init__(self, ending, outputs=4):
        super().__init__()
        self.hidden, self.output, self.ending = nn.Linear(6, 8), nn.Linear(8, outputs), ending

    def forward(self, x):
        return self.ending(self.output(self.hidden(x).relu()))


@pytest.mark.parametrize(("classes", "floor"), [(2, 0.313), (10, 1.461), (1000, 5.909)])
def test_the_floor_is_that_of_the_best_probabilities_there_are(classes, floor):
    model = Ending(lambda z: z.softmax(1), classes)
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (X, torch.arange(16) % classes))
    assert finding.numbers["floor"] == pytest.approx(floor, abs=1e-3)
    assert finding.numbers["floor"] == pytest.approx(math.log(1 + (classes - 1) / math.e), abs=1e-5)
    assert f"{floor:.3f}" in finding.message


@pytest.mark.parametrize("ending", [torch.sigmoid, lambda z: z.softmax(-1), lambda z: z.exp() / z.exp().sum(1, True)])
def test_it_knows_probabilities_however_they_are_made(ending):
    assert probed(RULE, Ending(ending), nn.CrossEntropyLoss(), (X, Y))


def test_it_knows_the_loss_however_it_is_called():
    assert probed(RULE, Ending(lambda z: z.softmax(1)), lambda z, y: F.cross_entropy(z, y, reduction="sum"), (X, Y))


def test_it_knows_a_sigmoid_before_a_binary_loss_of_logits():
    (finding,) = probed(RULE, Ending(torch.sigmoid, 1), nn.BCEWithLogitsLoss(), (X, torch.ones(16, 1)))
    assert finding.numbers["floor"] == pytest.approx(math.log(1 + 1 / math.e))
    assert "sigmoid" in finding.message


def test_the_floor_of_a_binary_loss_is_larger_where_the_target_is_zero():
    (finding,) = probed(RULE, Ending(torch.sigmoid, 1), nn.BCEWithLogitsLoss(), (X, torch.zeros(16, 1)))
    assert finding.numbers["floor"] == pytest.approx(math.log(2))


def test_it_knows_probabilities_for_every_pixel():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softmax(dim=1))
    batch = torch.randn(2, 3, 5, 5), torch.ones(2, 5, 5, dtype=torch.long)
    assert probed(RULE, model, nn.CrossEntropyLoss(), batch)


@pytest.mark.parametrize("ending", [lambda z: z, lambda z: z.log_softmax(1), torch.tanh, lambda z: z * 0.01 + 0.5])
def test_logits_are_none_however_small_they_are(ending):
    assert probed(RULE, Ending(ending), nn.CrossEntropyLoss(), (X, Y)) == []


def test_weights_of_zero_make_no_probabilities():
    model = Ending(lambda z: z)
    nn.init.zeros_(model.output.weight)
    nn.init.zeros_(model.output.bias)
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []


def test_probabilities_are_right_for_a_loss_that_wants_them():
    assert probed(RULE, Ending(torch.sigmoid, 1), nn.BCELoss(), (X, torch.ones(16, 1))) == []
    assert probed(RULE, Ending(torch.sigmoid, 4), nn.MSELoss(), (X, torch.rand(16, 4))) == []


def test_it_reads_a_softmax_in_forward_and_one_at_the_loss():
    text = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return {output}

model = Net()
criterion = nn.CrossEntropyLoss()
for x, y in loader:
    out = model(x)
    loss = criterion({given}, y)
    loss.backward()
"""
    assert [line_of(each) for each in read(RULE, text.format(output="self.fc(x).softmax(1)", given="out"))] == [11]
    assert [line_of(each) for each in read(RULE, text.format(output="self.fc(x)", given="torch.softmax(out, 1)"))] == [
        17
    ]
    assert read(RULE, text.format(output="self.fc(x)", given="out")) == []
    assert read(RULE, text.format(output="self.fc(x).log_softmax(1)", given="out")) == []
