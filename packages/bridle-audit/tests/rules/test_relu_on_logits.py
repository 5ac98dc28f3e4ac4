"""Clamped logits, and zeros that are none."""

import pytest
import torch
import torch.nn.functional as F
from probing import line_of, probed, read
from torch import nn

RULE = "relu-on-logits"
X, Y = torch.randn(16, 6, generator=torch.Generator().manual_seed(3)), torch.arange(16) % 4


class Ending(nn.Module):
    """A small network that ends in a function."""

    def __init__(self, ending):
        super().__init__()
        self.hidden, self.output, self.ending = nn.Linear(6, 8), nn.Linear(8, 4), ending

    def forward(self, x):
        return self.ending(self.output(self.hidden(x).relu()))


@pytest.mark.parametrize("ending", [F.relu, lambda z: z.clamp(min=0), nn.ReLU6(), lambda z: torch.maximum(z, z * 0)])
def test_it_knows_a_clamp_however_it_is_written(ending):
    (finding,) = probed(RULE, Ending(ending), nn.CrossEntropyLoss(), (X, Y))
    assert 0 < finding.numbers["zeros"] < 1


def test_logits_that_are_all_clamped_are_worse_still():
    model = Ending(F.relu)
    nn.init.constant_(model.output.bias, -100.0)
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (X, Y))
    assert finding.numbers["zeros"] == 1
    model.requires_grad_(False)
    assert F.cross_entropy(model(X), Y).item() == pytest.approx(1.386, abs=1e-3)  # log 4: that of a guess


@pytest.mark.parametrize("ending", [lambda z: z, F.leaky_relu, F.gelu, F.softplus])
def test_other_endings_are_not_clamped_to_zero(ending):
    assert probed(RULE, Ending(ending), nn.CrossEntropyLoss(), (X, Y)) == []


def test_a_last_layer_that_starts_at_zero_is_not_clamped():
    model = Ending(lambda z: z)
    nn.init.zeros_(model.output.weight)
    nn.init.zeros_(model.output.bias)
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X, Y)) == []


def test_a_loss_that_wants_amounts_may_have_a_relu():
    assert probed(RULE, Ending(F.relu), nn.MSELoss(), (X, torch.rand(16, 4))) == []


def test_it_reads_a_relu_behind_the_last_layer_but_not_in_front_of_it():
    text = """
from torch import nn

model = nn.Sequential(nn.Linear(4, 8), {layers})
criterion = nn.CrossEntropyLoss()
for x, y in loader:
    loss = criterion(model(x), y)
    loss.backward()
"""
    (finding,) = read(RULE, text.format(layers="nn.Linear(8, 3), nn.ReLU()"))
    assert (line_of(finding), finding.where) == (4, "nn.ReLU()")
    assert read(RULE, text.format(layers="nn.ReLU(), nn.Linear(8, 3)")) == []
