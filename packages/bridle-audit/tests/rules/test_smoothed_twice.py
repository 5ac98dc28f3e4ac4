"""smoothed-twice: what two smoothings make, the forms in which targets are smoothed, and what is no smoothing."""

from __future__ import annotations

import pytest
import torch
from probing import line_of, probed, read
from torch import nn
from torch.nn import functional as F

RULE = "smoothed-twice"
LABELS = torch.arange(32) % 10


def smoothed(share: float) -> torch.Tensor:
    return F.one_hot(LABELS, 10) * (1 - share) + share / 10


def test_two_smoothings_of_a_tenth_are_one_of_19_percent():
    z = torch.randn(32, 10)
    twice = F.cross_entropy(z, smoothed(0.1), label_smoothing=0.1)
    assert torch.isclose(twice, F.cross_entropy(z, LABELS, label_smoothing=0.19))
    (found,) = probed(
        RULE, nn.Linear(5, 10), nn.CrossEntropyLoss(label_smoothing=0.1), (torch.randn(32, 5), smoothed(0.1))
    )
    assert found.numbers["together"] == pytest.approx(0.19)


def test_smoothed_targets_that_were_mixed_are_found():
    y = 0.7 * smoothed(0.1) + 0.3 * smoothed(0.1).roll(1, 0)
    (found,) = probed(RULE, nn.Linear(5, 10), nn.CrossEntropyLoss(label_smoothing=0.1), (torch.randn(32, 5), y))
    assert found.numbers["in the targets"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "y",
    [
        pytest.param(LABELS, id="labels"),
        pytest.param(0.7 * smoothed(0.0) + 0.3 * smoothed(0.0).roll(1, 0), id="mixed"),
        pytest.param(torch.randn(32, 10).softmax(1), id="a teacher's"),
    ],
)
def test_other_targets_with_smoothing_in_the_loss_are_silent(y):
    assert probed(RULE, nn.Linear(5, 10), nn.CrossEntropyLoss(label_smoothing=0.1), (torch.randn(32, 5), y)) == []


FORMS = {
    "timm": """
from timm.data import Mixup
mixup = Mixup(mixup_alpha=0.2, num_classes=10)
for x, y in loader:
    x, y = mixup(x, y)
    criterion(model(x), y).backward()
""",
    "function": """
def smooth(labels, eps=0.1, classes=10):
    hot = torch.nn.functional.one_hot(labels, classes).float()
    return eps / classes + (1.0 - eps) * hot
for x, y in loader:
    y = smooth(y)
    criterion(model(x), y).backward()
""",
    "scatter": """
eps = 0.1
for x, y in loader:
    soft = torch.full((len(y), 10), eps / 9).scatter_(1, y.unsqueeze(1), 1 - eps)
    criterion(model(x), soft).backward()
""",
}
START = "import torch\nfrom torch import nn\nmodel = nn.Linear(5, 10)\n"


@pytest.mark.parametrize("form", FORMS)
def test_targets_that_are_smoothed_in_other_ways_are_read(form):
    criterion = "criterion = nn.CrossEntropyLoss(label_smoothing=0.1)\n"
    (found,) = read(RULE, START + criterion + FORMS[form])
    assert found.numbers["together"] == pytest.approx(0.19)
    assert line_of(found) == 4
    assert read(RULE, START + "criterion = nn.CrossEntropyLoss()\n" + FORMS[form]) == []


def test_smoothing_under_a_condition_is_not_read():
    text = START + "criterion = nn.CrossEntropyLoss(label_smoothing=0.1)\nfor x, y in loader:\n    if args.soft:\n"
    text += "        y = hot(y) * (1 - 0.1) + 0.1 / 10\n    criterion(model(x), y).backward()\n"
    assert read(RULE, text) == []


def test_keras_targets_are_those_of_fit():
    text = "import keras\ny = keras.utils.to_categorical(labels, 5) * (1 - 0.1) + 0.1 / 5\n"
    text += 'model = keras.Sequential([keras.layers.Dense(5, activation="softmax")])\n'
    text += "model.compile(loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1))\nmodel.fit(x, y)\n"
    assert len(read(RULE, text)) == 1
    assert read(RULE, text.replace("fit(x, y)", "fit(x, hot)")) == []
