"""smoothing-with-class-weights: what the weights make of the targets, measured by training to the best answer."""

from __future__ import annotations

import pytest
import torch
from probing import probed, read
from torch import nn

from bridle_audit.rules.smoothing_with_class_weights.finding import wrong_class_shares

RULE = "smoothing-with-class-weights"
BATCH = (torch.randn(32, 5), torch.arange(32) % 2)


def best_answer(weights: list[float], label: int) -> torch.Tensor:
    """The probabilities that the loss of one row is lowest for."""
    z = torch.zeros(1, len(weights), requires_grad=True, dtype=torch.float64)
    loss = nn.CrossEntropyLoss(weight=torch.tensor(weights, dtype=torch.float64), label_smoothing=0.1)
    optimizer = torch.optim.LBFGS([z], max_iter=200, tolerance_grad=1e-10, tolerance_change=1e-12)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(z, torch.tensor([label]))
        value.backward()
        return value

    for _ in range(5):
        optimizer.step(closure)
    return z.detach().softmax(1)[0]


@pytest.mark.parametrize(("heavy", "own"), [(10.0, 0.655), (20.0, 0.487)])
def test_a_row_of_the_light_class_is_told_to_be_of_the_heavy_one(heavy, own):
    answer = best_answer([1.0, heavy], 0)
    assert float(answer[0]) == pytest.approx(own, abs=5e-4)
    assert float(1 - answer[0]) == pytest.approx(wrong_class_shares([1.0, heavy], 0.1)[0], abs=1e-4)


def test_the_message_has_the_worst_class():
    loss = nn.CrossEntropyLoss(weight=torch.tensor([10.0, 1.0]), label_smoothing=0.1)
    (found,) = probed(RULE, nn.Linear(5, 2), loss, BATCH)
    assert "in rows of class 1, 0.345" in found.message


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 10.0])),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 1.4]), label_smoothing=0.1),
    ],
)
def test_one_of_the_two_or_mild_weights_are_silent(loss):
    assert probed(RULE, nn.Linear(5, 2), loss, BATCH) == []


HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"


def test_weights_that_are_not_written_out_are_a_note():
    text = (
        HEAD + "weights = 1 / torch.bincount(labels)\nloss = nn.CrossEntropyLoss(weight=weights, label_smoothing=0.1)\n"
    )
    (found,) = read(RULE, text)
    assert found.severity == "note"
    text = HEAD + "def loss(z, y, weights):\n    return F.cross_entropy(z, y, weight=weights, label_smoothing=0.1)\n"
    assert [each.severity for each in read(RULE, text)] == ["note"]


def test_weights_that_may_be_none_are_silent():
    choice = (
        HEAD + "w = torch.ones(3) if balanced else None\nloss = nn.CrossEntropyLoss(weight=w, label_smoothing=0.1)\n"
    )
    default = HEAD + "def loss(z, y, w=None):\n    return F.cross_entropy(z, y, weight=w, label_smoothing=0.1)\n"
    given = (
        HEAD + "def loss(z, y, w):\n    return F.cross_entropy(z, y, weight=w, label_smoothing=0.1)\nloss(z, y, None)\n"
    )
    assert [read(RULE, each) for each in (choice, default, given)] == [[], [], []]


def test_weights_moved_to_a_device_are_read_with_their_numbers():
    text = HEAD + "w = torch.tensor([1.0, 10.0]).to(device)\nloss = nn.CrossEntropyLoss(w, label_smoothing=0.1)\n"
    (found,) = read(RULE, text)
    assert found.severity == "warning" and "0.345" in found.message
