"""smoothing-too-strong: what is left of the labels, by the loss of a perfect network."""

from __future__ import annotations

import math

import pytest
import torch
from probing import probed, read
from torch import nn
from torch.nn import functional as F

from bridle_audit.static.dataflow.smoothing import remaining_information

RULE = "smoothing-too-strong"


@pytest.mark.parametrize(("smoothing", "floor", "left"), [(0.1, 0.500, 0.78), (0.9, 2.266, 0.016)])
def test_the_loss_of_a_perfect_network(smoothing, floor, left):
    y = torch.arange(10)
    targets = F.one_hot(y, 10) * (1 - smoothing) + smoothing / 10
    best = float(F.cross_entropy(targets.double().log(), y, label_smoothing=smoothing))
    assert best == pytest.approx(floor, abs=5e-4)
    assert (
        remaining_information(smoothing, 10) == pytest.approx(1 - best / math.log(10)) == pytest.approx(left, abs=5e-3)
    )


def found_with(smoothing: float, classes: int) -> list[str]:
    batch = (torch.randn(40, 5), torch.arange(40) % classes)
    found = probed(RULE, nn.Linear(5, classes), nn.CrossEntropyLoss(label_smoothing=smoothing), batch)
    return [each.severity for each in found]


def test_what_is_usual_is_silent():
    assert [found_with(0.1, 2), found_with(0.2, 2), found_with(0.2, 10), found_with(0.1, 40)] == [[]] * 4


def test_what_is_almost_a_guess_is_an_error():
    assert found_with(0.9, 10) == ["error"]
    assert found_with(0.5, 10) == ["warning"]


def test_smoothing_in_the_targets_counts():
    y = F.one_hot(torch.arange(40) % 10, 10) * 0.4 + 0.6 / 10
    (found,) = probed(RULE, nn.Linear(5, 10), nn.CrossEntropyLoss(), (torch.randn(40, 5), y))
    assert found.numbers["smoothing"] == pytest.approx(0.6)


def test_where_the_classes_are_not_known_what_is_kept_bounds_what_is_left():
    for classes in (2, 10, 1000, 10**6):
        assert remaining_information(0.5, classes) < 0.5
    text = "from torch import nn\nloss = nn.CrossEntropyLoss(label_smoothing={})\n"
    (found,) = read(RULE, text.format(0.6))
    assert found.severity == "warning" and "at most 40.0%" in found.message
    assert read(RULE, text.format(0.4)) == []
    assert read(RULE, text.format("args.smoothing")) == []


def test_with_known_classes_the_reader_knows_as_much_as_the_probe():
    text = "from torch import nn\nmodel = nn.Sequential(nn.Linear(5, 10))\n"
    text += "loss = nn.CrossEntropyLoss(label_smoothing=0.9)\nloss(model(x), y).backward()\n"
    (found,) = read(RULE, text)
    assert found.severity == "error" and "1.6%" in found.message
