"""Small batches whose gradients are added up are one batch, however unequal they are."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from loops import CLASSES, CRITERION, adam, data, perceptron, weights
from torch import Tensor, nn

from bridle.attaching import attach

WHOLE, UNEQUAL = [(0, 48)], [(0, 40), (40, 45), (45, 48)]


def moved(cuts: list[tuple[int, int]], y: Tensor, recipe: str = "L2", loss: Any = CRITERION, **keywords: Any) -> Tensor:
    model, x = perceptron().double(), data(torch.float64)[0]
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.5), recipe, loss=loss)
    for _ in range(2):
        for first, last in cuts:
            handle.step(x[first:last], y[first:last], update=last == len(x), **keywords)
    return weights(model)


@pytest.mark.parametrize("recipe", ["L2", "SAM(radius=0.5)", "ActivityL2(strength=0.3)", "SAM + ConfidencePenalty"])
def test_unequal_batches_count_by_their_rows(recipe: str) -> None:
    y = data()[1]
    torch.testing.assert_close(moved(UNEQUAL, y, recipe), moved(WHOLE, y, recipe))


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2], dtype=torch.float64)),
        nn.CrossEntropyLoss(ignore_index=0),
        partial(F.cross_entropy, ignore_index=0),
        nn.CrossEntropyLoss(reduction="sum"),
        lambda z, y: F.cross_entropy(z, y.where(y > 0, -100)),
    ],
    ids=["weights of classes", "ignored", "ignored by a partial", "sum", "ignored by torch's default"],
)
def test_batches_count_as_the_loss_takes_its_mean(loss: Any) -> None:
    y = data()[1]
    if not isinstance(loss, nn.Module | partial):
        y = y.where(y > 0, -100)
    torch.testing.assert_close(moved(UNEQUAL, y, "none", loss), moved(WHOLE, y, "none", loss))


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: F.cross_entropy(z, y, weight=torch.tensor([1.0, 5.0, 0.2], dtype=z.dtype)),
        lambda z, y: F.cross_entropy(z, y, reduction="sum"),
        lambda z, y: F.cross_entropy(z, y, ignore_index=1),
        lambda z, y: ((1 - z.softmax(1).gather(1, y[:, None])[:, 0]) * F.cross_entropy(z, y, reduction="none")).mean(),
    ],
    ids=["weights", "sum", "ignored", "a mean over rows"],
)
def test_a_function_of_ones_own_is_tried(loss: Any) -> None:
    y = data()[1]
    torch.testing.assert_close(moved(UNEQUAL, y, "none", loss), moved(WHOLE, y, "none", loss), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("cuts", [[(0, 30), (30, 40), (40, 48)], [(0, 10), (10, 40), (40, 48)]])
def test_a_small_batch_of_ignored_targets_alone_counts_nothing(cuts: list[tuple[int, int]]) -> None:
    first, last = min(cuts[:2], key=lambda each: each[1] - each[0])
    y = data()[1].clone()
    y[first:last] = -100
    torch.testing.assert_close(moved(cuts, y), moved(WHOLE, y))


def test_soft_targets_and_numbers_count_by_their_rows() -> None:
    shares = F.one_hot(data()[1], CLASSES).double()
    for loss in (CRITERION, nn.MSELoss()):
        torch.testing.assert_close(moved(UNEQUAL, shares, loss=loss), moved(WHOLE, shares, loss=loss))


def test_what_else_a_loss_is_the_mean_of_is_said_with_weight() -> None:
    model, (x, y) = perceptron(), data()
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=1.0), "none", loss=CRITERION)
    before = weights(model)
    handle.step(x[:24], y[:24], update=False, weight=3)
    handle.step(x[24:], y[24:], weight=1.0)
    got = before - weights(model)
    twin = perceptron()
    (0.75 * CRITERION(twin(x[:24]), y[:24]) + 0.25 * CRITERION(twin(x[24:]), y[24:])).backward()
    expected = torch.cat([each.grad.flatten() for each in twin.parameters() if each.grad is not None])
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weight", [0, -1.0, float("inf"), True, "3"])
def test_a_weight_that_is_none_gets_a_sentence(weight: Any) -> None:
    handle = attach(model := perceptron(), adam(model), "none", loss=CRITERION)
    with pytest.raises(ValueError, match="a number above 0"):
        handle.step(*data(), weight=weight)
