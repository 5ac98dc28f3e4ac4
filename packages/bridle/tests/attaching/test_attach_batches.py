"""Batches in the user's shapes: changed by the formulas, given back as they came, or refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from loops import CLASSES, CRITERION, attached, data, perceptron
from torch import Tensor, nn

from bridle.attaching import Handle, attach
from bridle.regularizers import CATALOG


class Pictures(nn.Module):
    """(batch, 1, 8, 8) -> (batch, classes)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.conv(x)).flatten(1))


def pictures(recipe: str, **keywords: Any) -> Handle:
    model = Pictures()
    return attach(model, torch.optim.SGD(model.parameters(), lr=0.1), recipe, loss=CRITERION, **keywords)


@pytest.mark.parametrize("name", [name for name, leaf in CATALOG.items() if leaf.place == "batch"])
def test_images_keep_their_shape_and_type(name: str) -> None:
    handle = pictures(name)
    x, y = torch.rand(6, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    shown, targets = handle.batch(x, y)
    assert shown.shape == x.shape and shown.dtype == x.dtype
    assert targets is y or targets.shape == (6, CLASSES)
    assert not torch.equal(shown, x) or targets is not y
    loss = CRITERION(handle.model(shown), targets)
    loss.backward()
    assert loss.isfinite()


def test_mixup_is_what_its_formula_says_of_ids_made_probabilities() -> None:
    handle = attached("Mixup(alpha=1.0)", seed=4)
    x, y = data()
    shown, targets = handle.batch(x, y)
    share = (targets - F.one_hot(y, CLASSES)).abs().sum(1).max() / 2
    torch.testing.assert_close(shown, (1 - share) * x + share * x.roll(1, 0))
    torch.testing.assert_close(targets.sum(1), torch.ones(len(x)))


def test_targets_that_nothing_changes_stay_what_they_are() -> None:
    x, y = data()
    shown, targets = attached("InputNoise + Cutout").batch(x, y)
    assert targets is y and not torch.equal(shown, x)


@pytest.mark.parametrize("shape", [(48,), (48, 1), (48, 2)])
def test_numbers_to_predict_keep_their_shape(shape: tuple[int, ...]) -> None:
    x, _ = data()
    y = torch.randn(*shape)
    shown, targets = attached("Mixup(alpha=1.0)").batch(x, y)
    assert targets.shape == y.shape and not torch.equal(targets, y) and not torch.equal(shown, x)


def test_columns_of_one_category_go_together() -> None:
    x = torch.rand(48, 6) + 1
    names = ("age", "sex=F", "sex=M", "sex=X", "income", "income is missing")
    shown, _ = attached("Cutout(rate=0.5)", features=names).batch(x, data()[1])
    hidden = shown == 0
    assert torch.equal(hidden[:, 1], hidden[:, 2]) and torch.equal(hidden[:, 1], hidden[:, 3])
    assert torch.equal(hidden[:, 4], hidden[:, 5]) and not torch.equal(hidden[:, 0], hidden[:, 1])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_adversarial_examples_follow_the_slope_of_the_users_loss(reduction: str) -> None:
    model = perceptron()
    loss = nn.CrossEntropyLoss(reduction=reduction)
    handle = attach(model, torch.optim.SGD(model.parameters()), "FGSM(radius=0.1, share=1.0)", loss=loss)
    x, y = data()
    shown, _ = handle.batch(x, y)
    probed = x.clone().requires_grad_()
    loss(model(probed), y).backward()
    assert probed.grad is not None
    torch.testing.assert_close(shown, x + 0.1 * probed.grad.sign())


def test_the_slope_is_taken_under_the_noise_of_the_pass_that_follows_and_moves_no_statistics() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    handle = attach(model, torch.optim.SGD(model.parameters()), "FGSM(share=1.0) + HardBootstrap", loss=CRITERION)
    seen: list[Tensor] = []
    model[2].register_forward_hook(lambda part, inputs, output: seen.append(output == 0))
    x, _ = handle.batch(*data())
    assert int(model.get_buffer("1.num_batches_tracked")) == 0
    model(x)
    assert len(seen) == 3
    assert (seen[0] == seen[2]).float().mean() > 0.95 and torch.equal(seen[0].any(0), seen[2].any(0))
    assert not any(each.grad is not None for each in model.parameters())


@pytest.mark.parametrize(
    ("recipe", "x", "y", "sentence"),
    [
        ("Mixup", torch.zeros(4, 6, dtype=torch.long), torch.tensor([0, 1, 2, 0]), "changes rows as amounts"),
        ("Mixup", torch.rand(4, 6), torch.zeros(4, 2, dtype=torch.long), "not one id for each row"),
        ("LabelSmoothing", torch.rand(4, 6), torch.rand(4), "is for classes"),
        ("ImageShift", torch.rand(4, 6), torch.tensor([0, 1, 2, 0]), "is for images"),
        ("Mixup", {"x": torch.rand(4, 6)}, torch.tensor([0, 1, 2, 0]), "batches that are tensors, got dict"),
    ],
)
def test_a_batch_that_cannot_be_changed_gets_a_sentence(recipe: str, x: Any, y: Tensor, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        attached(recipe).batch(x, y)


def test_ids_of_words_may_keep_their_labels_smoothed() -> None:
    x, y = torch.zeros(4, 6, dtype=torch.long), torch.tensor([0, 1, 2, 0])
    shown, targets = attached("LabelSmoothing(strength=0.3)").batch(x, y)
    assert shown is x
    torch.testing.assert_close(targets, 0.7 * F.one_hot(y, CLASSES) + 0.1)


@pytest.mark.parametrize("loss", [nn.NLLLoss(), F.nll_loss, nn.MultiMarginLoss()])
def test_a_loss_that_takes_ids_alone_is_refused_where_targets_change(loss: Any) -> None:
    model = perceptron()
    handle = attach(model, torch.optim.SGD(model.parameters()), "Mixup", loss=loss)
    with pytest.raises(ValueError, match=r"takes class ids alone; take nn\.CrossEntropyLoss"):
        handle.batch(*data())
    handle.detach()
    handle = attach(model, torch.optim.SGD(model.parameters()), "InputNoise", loss=loss)
    handle.batch(*data())


def test_the_number_of_classes_can_be_said() -> None:
    x, y = data()
    assert attached("LabelSmoothing", classes=7).batch(x, y)[1].shape == (len(x), 7)
    model = nn.Bilinear(2, 2, 3)
    handle = attach(model, torch.optim.SGD(model.parameters()), "LabelSmoothing")
    with pytest.raises(ValueError, match=r"attach\(..., classes="):
        handle.batch(x, y)


def test_smoothing_twice_is_noted() -> None:
    model = perceptron()
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    handle = attach(model, torch.optim.SGD(model.parameters()), "LabelSmoothing", loss=loss)
    assert handle.notes == ["the loss smooths labels by 0.1, and LabelSmoothing does it once more"]
