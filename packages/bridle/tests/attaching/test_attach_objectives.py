"""What a regularizer does under each loss: the forms that fit it, the loss's own mean, or a sentence."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from loops import CLASSES, CRITERION, adam, data, perceptron
from torch import Tensor, nn

from bridle.attaching import Handle, attach
from bridle.attaching.loss_probing import probe_task
from bridle.attaching.objectives import known_objective
from bridle.regularizers import ConfidencePenalty, RDrop

WEIGHT = torch.tensor([1.0, 5.0, 0.2])
YES_OR_NO = [
    nn.BCEWithLogitsLoss(),
    nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)),
    nn.MultiLabelSoftMarginLoss(),
    F.binary_cross_entropy_with_logits,
    partial(F.binary_cross_entropy_with_logits, reduction="sum"),
    lambda z, y: F.binary_cross_entropy_with_logits(z, y.float()),
    lambda out, y: F.binary_cross_entropy_with_logits(out.logits, y, pos_weight=torch.tensor(2.0)),
]
WEIGHTED = [
    nn.CrossEntropyLoss(weight=WEIGHT),
    partial(F.cross_entropy, weight=WEIGHT),
    lambda z, y: F.cross_entropy(z, y, weight=WEIGHT),
    nn.CrossEntropyLoss(weight=WEIGHT, reduction="sum"),
    lambda z, y: F.cross_entropy(z, y, weight=WEIGHT, reduction="none").mean(),
]


def labels(outputs: int = CLASSES) -> Tensor:
    return (torch.rand(48, outputs, generator=torch.Generator().manual_seed(1)) > 0.5).float()


def with_loss(recipe: str, loss: Any, outputs: int = CLASSES, **keywords: Any) -> Handle:
    model = perceptron()
    model[-1] = nn.Linear(8, outputs)
    return attach(model, adam(model), recipe, loss=loss, **keywords)


def sure(z: Tensor) -> Tensor:
    """The entropy of each output's yes or no, summed over the outputs: (batch,)."""
    p = z.sigmoid()
    return -(p * p.log() + (1 - p) * (1 - p).log()).sum(1)


@pytest.mark.parametrize("loss", YES_OR_NO)
@pytest.mark.parametrize("outputs", [1, CLASSES])
def test_yes_or_no_of_each_output_is_smoothed_by_itself(loss: Any, outputs: int) -> None:
    y = labels(outputs)
    shown = with_loss("LabelSmoothing(strength=0.1)", loss, outputs).batch(data()[0], y)[1]
    torch.testing.assert_close(shown, 0.9 * y + 0.05)


def test_one_number_for_each_row_may_be_a_yes_or_no() -> None:
    y = labels(1)[:, 0]
    for given in (y, y.long(), y.bool()):
        shown = with_loss("LabelSmoothing(strength=0.1)", nn.BCEWithLogitsLoss(), 1).batch(data()[0], given)[1]
        torch.testing.assert_close(shown, 0.9 * y + 0.05)


@pytest.mark.parametrize("loss", YES_OR_NO)
@pytest.mark.parametrize("outputs", [1, CLASSES])
def test_confidence_is_that_of_each_sigmoid(loss: Any, outputs: int) -> None:
    handle = with_loss("ConfidencePenalty(strength=0.3)", loss, outputs)
    z = handle.model(data()[0])
    torch.testing.assert_close(handle.penalty(), -0.3 * sure(z).mean())


def test_passes_are_compared_sigmoid_by_sigmoid() -> None:
    handle = with_loss("Dropout(rate=0.5) + RDrop(strength=2.0)", nn.BCEWithLogitsLoss())
    x, _ = data()
    torch.manual_seed(3)
    handle.model(x)
    penalty = handle.penalty()
    torch.manual_seed(3)
    with torch.no_grad():
        p, q = handle.model(x).sigmoid(), handle.model(x).sigmoid()
    apart = (p - q) * (p.log() - q.log()) + (q - p) * ((1 - p).log() - (1 - q).log())
    torch.testing.assert_close(penalty.detach(), apart.sum(1).mean())


def test_vat_follows_the_slope_of_the_sigmoids() -> None:
    handle = with_loss("VAT(strength=1.0, radius=0.5)", nn.BCEWithLogitsLoss(), 1)
    x, _ = data()
    z = handle.model(x)
    penalty = handle.penalty()
    slope = torch.autograd.grad(handle.model(moved := x.clone().requires_grad_()).sum(), moved)[0]
    handle.parts.recorder.forget()
    ways = [handle.model(x + sign * 0.5 * F.normalize(slope, dim=1)).sigmoid() for sign in (1, -1)]
    p = z.sigmoid()
    costs = [(p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean() for q in ways]
    assert min(costs) * 0.9 <= penalty <= max(costs) * 1.1 and penalty.requires_grad


def test_what_the_network_finds_likelier_than_not_is_told_it() -> None:
    handle = with_loss("HardBootstrap(strength=0.2)", nn.BCEWithLogitsLoss())
    x, y = data()[0], labels()
    shown = handle.batch(x, y)[1]
    torch.testing.assert_close(shown, 0.8 * y + 0.2 * (handle.model.eval()(x) > 0).float())


@pytest.mark.parametrize("loss", WEIGHTED)
@pytest.mark.parametrize(
    "recipe", ["LabelSmoothing(strength=1e-9)", "Mixup(alpha=0.000001)", "HardBootstrap(strength=1e-9)", "Mixup"]
)
def test_class_weights_leave_the_loss_the_mean_that_it_was(loss: Any, recipe: str) -> None:
    handle = with_loss(recipe, loss)
    x, y = data()
    _, targets = handle.batch(x, y)
    assert targets is not y
    z = torch.zeros(len(x), CLASSES)  # no class is likelier, so that mixing makes no difference
    torch.testing.assert_close(loss(z, targets), loss(z, y))
    assert any("class weights" in note for note in handle.notes) == (loss in (WEIGHTED[0], WEIGHTED[1], WEIGHTED[3]))
    if recipe != "Mixup":
        torch.testing.assert_close(loss(handle.model(x), targets), loss(handle.model(x), y))


@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT}, {"reduction": "sum"}, {"reduction": "none"}])
def test_smoothing_here_is_smoothing_in_torchs_loss(options: dict[str, Any]) -> None:
    loss = nn.CrossEntropyLoss(**options)
    handle = with_loss("LabelSmoothing(strength=0.1)", loss)
    x, y = data()
    z = handle.model(x)
    theirs = F.cross_entropy(z, y, label_smoothing=0.1, **options)
    torch.testing.assert_close(loss(z, handle.batch(x, y)[1]), theirs)


@pytest.mark.parametrize(
    "recipe", ["LabelSmoothing(strength=0.1)", "HardBootstrap(strength=1e-9)", "Mixup(alpha=1e-6)"]
)
@pytest.mark.parametrize(
    ("loss", "skipped"),
    [
        (CRITERION, -100),
        (nn.CrossEntropyLoss(weight=WEIGHT), -100),
        (nn.CrossEntropyLoss(ignore_index=-1), -1),
        (lambda z, y: F.cross_entropy(z, y) * 1.0, -100),
    ],
)
def test_rows_that_do_not_count_do_not(recipe: str, loss: Any, skipped: int) -> None:
    handle = with_loss(recipe, loss)
    x, y = data()
    y[:7] = skipped
    targets = handle.batch(x, y)[1]
    assert not targets[y == skipped].any()
    z = handle.model(x)
    options = {name: getattr(loss, name) for name in ("weight", "ignore_index") if hasattr(loss, name)}
    smoothing = 0.1 if recipe.startswith("Label") else 0.0
    torch.testing.assert_close(loss(z, targets), F.cross_entropy(z, y, label_smoothing=smoothing, **options))


def test_what_touches_no_targets_takes_them_as_they_are() -> None:
    x, y = data()
    for given in (y.masked_fill(y == 0, -100), torch.zeros(48, 5, 5).long(), torch.zeros(48, 9).long(), y + 90):
        assert with_loss("InputNoise + Cutout", CRITERION).batch(x, given)[1] is given


@pytest.mark.parametrize(
    ("loss", "y", "sentence"),
    [
        (nn.CrossEntropyLoss(ignore_index=1), data()[1], r"takes no shares of classes with ignore_index=1; mark"),
        (CRITERION, data()[1] + 90, r"class ids from 90 to 92, of 3 classes"),
        (CRITERION, torch.zeros(48, 9).long(), r"of shape \(48, 9\), not one id for each row"),
        (CRITERION, torch.zeros(48, 5, 5).long(), r"not one id for each row"),
        (None, labels(), r"do not add up to 1, as shares of classes would"),
        (nn.CrossEntropyLoss(label_smoothing=0.1), data()[1].masked_fill(data()[1] == 0, -100), "do not count"),
        (lambda z, y: F.nll_loss(z.log_softmax(1), y), data()[1], "takes class ids alone"),
        (nn.MultiLabelMarginLoss(), data()[1], "takes class ids alone"),
    ],
)
def test_targets_that_cannot_be_changed_get_a_sentence(loss: Any, y: Tensor, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        with_loss("LabelSmoothing", loss).batch(data()[0], y)


@pytest.mark.parametrize("recipe", ["LabelSmoothing", "HardBootstrap", "ConfidencePenalty", "RDrop", "VAT"])
@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (nn.MSELoss(), "is for classes, and MSELoss compares numbers"),
        (partial(F.smooth_l1_loss, beta=0.5), "is for classes, and smooth_l1_loss compares numbers"),
        (lambda z, y: (z - y).abs().mean(), "compares numbers"),
        (lambda z, y: (z * y).sum(), r"does not tell: attach\(\.\.\., task=\.\.\.\)"),
    ],
)
def test_a_loss_without_classes_or_that_does_not_tell_is_refused(recipe: str, loss: Any, sentence: str) -> None:
    model = perceptron()
    optimizer = adam(model)
    with pytest.raises(ValueError, match=sentence):
        attach(model, optimizer, recipe, loss=loss)
    attach(model, optimizer, "Mixup + JacobianPenalty", loss=loss)


@pytest.mark.parametrize("loss", [nn.BCELoss(), F.binary_cross_entropy, nn.MultiMarginLoss()])
def test_penalties_on_logits_are_refused_where_outputs_are_none(loss: Any) -> None:
    with pytest.raises(ValueError, match=r"needs logits, and .* takes outputs for (probabilities|scores)"):
        with_loss("ConfidencePenalty", loss)


def test_probabilities_are_predictions_already() -> None:
    model = nn.Sequential(perceptron(), nn.Sigmoid())
    handle = attach(model, adam(model), "HardBootstrap(strength=0.2)", loss=nn.BCELoss())
    x, y = data()[0], labels()
    torch.testing.assert_close(handle.batch(x, y)[1], 0.8 * y + 0.2 * (model(x) > 0.5).float())


def test_the_task_can_be_said() -> None:
    loss = lambda z, y: (z * y).sum()  # noqa: E731
    y = labels()
    shown = with_loss("LabelSmoothing(strength=0.1)", loss, task="multilabel").batch(data()[0], y)[1]
    torch.testing.assert_close(shown, 0.9 * y + 0.05)
    handle = with_loss("ConfidencePenalty(strength=1.0)", None, task="multilabel")
    z = handle.model(data()[0])
    torch.testing.assert_close(handle.penalty(), -sure(z).mean())
    assert handle.notes == []
    with pytest.raises(ValueError, match="task must be one of classification, multilabel, regression, got 'binary'"):
        with_loss("L2", None, task="binary")


def test_what_is_assumed_without_a_loss_is_noted() -> None:
    handle = with_loss("RDrop + LabelSmoothing", None)
    assert [note for note in handle.notes if "several outputs are taken for a softmax" in note]
    assert with_loss("RDrop + LabelSmoothing", CRITERION).notes == []


def test_log_probabilities_are_logits_too() -> None:
    model = nn.Sequential(perceptron(), nn.LogSoftmax(1))
    handle = attach(model, adam(model), "ConfidencePenalty(strength=1.0)", loss=nn.NLLLoss())
    logs = model(data()[0])
    torch.testing.assert_close(handle.penalty(), (logs.exp() * logs).sum(1).mean())


@pytest.mark.parametrize(
    ("loss", "task"),
    [
        (lambda z, y: 3.0 * F.cross_entropy(z, y), "classification"),
        (lambda out, y: F.cross_entropy(out["logits"], y, label_smoothing=0.1), "classification"),
        (lambda z, y: F.nll_loss(z.log_softmax(1), y), "classification"),
        (lambda z, y: -(y * z.log_softmax(1)).sum(1).mean(), "classification"),
        (lambda z, y: F.softplus(z * (1 - 2 * y)).mean(), "multilabel"),
        (lambda z, y: (z - y).square().mean(), "regression"),
        (lambda z, y: F.huber_loss(z.squeeze(), y.squeeze()), "regression"),
        (lambda z, y: z.mean(), ""),
        (lambda z, y: 1 / 0, ""),
    ],
)
def test_a_loss_is_known_by_what_it_does(loss: Any, task: str) -> None:
    state = torch.get_rng_state()
    assert probe_task(loss, CLASSES) == task
    assert torch.equal(torch.get_rng_state(), state)


def test_somebodys_module_is_not_taken_for_torchs() -> None:
    class Focal(nn.CrossEntropyLoss):
        def forward(self, z: Tensor, y: Tensor) -> Tensor:
            return (1 - (-F.cross_entropy(z, y, reduction="none")).exp()).square().mean()

    assert known_objective(Focal()).task == "" and probe_task(Focal(), CLASSES) == "classification"


@pytest.mark.parametrize("form", ["dictionary", "tuple", "named", "several"])
def test_labels_are_smoothed_whatever_the_rows_come_in(form: str) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = perceptron()

    class Whole(Model):
        def forward(self, batch: Any) -> Tensor:
            one, other = batch.values() if isinstance(batch, dict) else batch
            return self.inner(one + other)

    class Parts(Model):
        def forward(self, one: Tensor, other: Tensor) -> Tensor:
            return self.inner(one + other)

    x, y = data()
    model = Whole() if form in ("dictionary", "tuple") else Parts()
    given = {"one": x, "other": x} if form in ("dictionary", "named") else (x, x)
    recipe = "LabelSmoothing(strength=0.3) + HardBootstrap + SAM"
    handle = attach(model, adam(model), recipe, loss=CRITERION)
    shown, targets = handle.batch(given, y)
    assert shown is given and targets.shape == (48, CLASSES)
    before = handle.step(given, y)
    assert handle.steps_done == 1 and before.isfinite()
    handle.detach()
    handle = attach(model, adam(model), "Mixup", loss=CRITERION)
    with pytest.raises(ValueError, match=r"batches that are tensors, got (dict|tuple): give handle.batch the tensor"):
        handle.batch(given, y)


def test_one_layer_has_its_number_of_classes() -> None:
    model = nn.Linear(6, CLASSES)
    handle = attach(model, adam(model), "LabelSmoothing(strength=0.3)", loss=CRITERION)
    x, y = data()
    torch.testing.assert_close(handle.batch(x, y)[1], 0.7 * F.one_hot(y, CLASSES) + 0.1)


def test_the_softmaxs_own_forms_are_what_they_were() -> None:
    handle = with_loss("ConfidencePenalty(strength=0.3) + RDrop(strength=0.5)", CRITERION)
    z = handle.model(data()[0])
    expected = ConfidencePenalty.torch(z, strength=0.3) + RDrop.torch(z, z, strength=0.5)
    torch.testing.assert_close(handle.penalty(), expected)
