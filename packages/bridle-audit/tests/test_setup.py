"""What probes are given: copies, and measurements that say the same of any architecture."""

from __future__ import annotations

import copy
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import weight_norm

from bridle_audit.probe.batch import ProbeBatch, logits_of
from bridle_audit.probe.layers import drop_rate
from bridle_audit.probe.measured_loss import MeasuredLoss
from bridle_audit.probe.setup import Setup
from bridle_audit.rules import RULES
from bridle_audit.run.models import audit
from bridle_audit.wording import first_names

X, Y = torch.randn(12, 6), torch.arange(12) % 3


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))


def snapshot(value: object) -> object:
    """Everything in a state, with tensors as bytes, so that two can be compared bit for bit."""
    if isinstance(value, Tensor):
        return value.dtype, tuple(value.shape), value.detach().numpy().tobytes()
    if isinstance(value, dict):
        return {key: snapshot(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [snapshot(each) for each in value]
    return value


def everything(model: nn.Module, optimizer: torch.optim.Optimizer) -> object:
    """All that an audit could disturb."""
    gradients = [None if each.grad is None else snapshot(each.grad) for each in model.parameters()]
    modes = [each.training for each in model.modules()]
    hooks = [len(each._forward_hooks) + len(each._forward_pre_hooks) for each in model.modules()]
    states = snapshot(model.state_dict()), snapshot(optimizer.state_dict())
    randomness = torch.get_rng_state().numpy().tobytes(), random.getstate(), snapshot(np.random.get_state(legacy=False))
    return [*states, gradients, modes, hooks, repr(randomness), torch.is_grad_enabled()]


@pytest.mark.parametrize("name", ["all of them", *RULES])
def test_nothing_of_the_users_is_changed(name):
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    averaged = torch.optim.swa_utils.AveragedModel(model)
    for _ in range(2):
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()
        averaged.update_parameters(model)
    model[0].weight.requires_grad_(False)
    before = everything(model, optimizer), snapshot(averaged.state_dict()), snapshot(scheduler.state_dict())
    audit(
        model,
        optimizer,
        nn.CrossEntropyLoss(label_smoothing=0.1),
        (X, Y),
        scheduler=scheduler,
        steps=50,
        averaged=averaged,
        penalty=lambda it: it.get_parameter("0.weight").square().sum() + it.get_parameter("4.weight").abs().sum(),
        allow=[] if name == "all of them" else [other for other in RULES if other != name],
    )
    after = everything(model, optimizer), snapshot(averaged.state_dict()), snapshot(scheduler.state_dict())
    assert after == before


def test_the_snapshot_sees_a_change_in_the_last_place():
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    before = everything(model, optimizer)
    with torch.no_grad():
        weight = model.get_parameter("0.weight")
        weight[0, 0] = torch.nextafter(weight[0, 0], torch.tensor(9.0))
    assert everything(model, optimizer) != before


def test_a_copy_shares_no_memory():
    model = network()
    setup = Setup.of(model, None, nn.CrossEntropyLoss(), (X, Y))
    with torch.no_grad():
        for each in setup.model.parameters():
            each.zero_()
    assert model.get_parameter("0.weight").abs().sum() > 0


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_old_style_weight_norm_is_copied():
    model = nn.Sequential(weight_norm(nn.Linear(6, 3)))
    assert Setup.of(model, None, nn.CrossEntropyLoss(), (X, Y)).training is not None


def test_what_cannot_be_copied_is_said():
    class Stubborn(nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("no copies")

    with pytest.raises(ValueError, match=r"Stubborn cannot be copied .*no copies.*copy\.deepcopy"):
        audit(Stubborn(6, 3))


def test_a_batch_that_the_model_does_not_take_is_said():
    with pytest.raises(ValueError, match=r"does not take this batch .*give batch=\(x, y\)"):
        audit(nn.Linear(5, 3), loss=nn.CrossEntropyLoss(), batch=(X, Y), allow=[])


def test_what_is_not_to_be_audited_is_said():
    with pytest.raises(ValueError, match=r"audit takes a torch\.nn\.Module, a recipe or a study, got int"):
        audit(3)
    with pytest.raises(ValueError, match="no rule 'relu-on-logit'; did you mean relu-on-logits"):
        audit(network(), allow=["relu-on-logit"])


SMOOTHED = nn.CrossEntropyLoss(label_smoothing=0.1)
HELD = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]))


@pytest.mark.parametrize(
    "function",
    [
        nn.CrossEntropyLoss(),
        SMOOTHED,
        HELD,
        nn.CrossEntropyLoss(reduction="sum"),
        F.cross_entropy,
        lambda z, y: F.nll_loss(F.log_softmax(z, 1), y),
        lambda z, y: -(F.one_hot(y, 3) * z.log_softmax(1)).sum(1).mean(),
        nn.MultiMarginLoss(),
    ],
)
def test_a_softmax_within_the_loss_is_recognized(function):
    wanted = not isinstance(function, nn.MultiMarginLoss)
    assert MeasuredLoss(function, torch.randn(12, 3), Y).is_cross_entropy or not wanted


@pytest.mark.parametrize(
    ("function", "y"),
    [
        (nn.NLLLoss(), Y),
        (nn.MSELoss(), torch.randn(12, 3)),
        (nn.BCELoss(), torch.rand(12, 3)),
        (nn.BCEWithLogitsLoss(), torch.rand(12, 3)),
        (lambda z, y: z.new_tensor(1.0), Y),
    ],
)
def test_other_losses_have_no_softmax_within(function, y):
    assert not MeasuredLoss(function, torch.randn(12, 3), y).is_cross_entropy


def test_binary_cross_entropy_of_logits_is_recognized():
    y = torch.rand(12, 3).round()
    assert MeasuredLoss(nn.BCEWithLogitsLoss(), torch.randn(12, 3), y).is_binary_cross_entropy
    assert MeasuredLoss(nn.BCEWithLogitsLoss(reduction="sum"), torch.randn(12, 3), y).is_binary_cross_entropy
    assert not MeasuredLoss(nn.BCELoss(), torch.rand(12, 3), y).is_binary_cross_entropy
    assert not MeasuredLoss(nn.MSELoss(), torch.rand(12, 3), y).is_binary_cross_entropy


@pytest.mark.parametrize("amount", [0.0, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_label_smoothing_is_measured(amount, reduction):
    function = nn.CrossEntropyLoss(label_smoothing=amount, reduction=reduction)
    assert MeasuredLoss(function, torch.randn(12, 3), Y).label_smoothing == pytest.approx(amount, abs=1e-4)
    by_hand = MeasuredLoss(lambda z, y: function(z, y) * 1.0, torch.randn(12, 3), Y)
    assert by_hand.label_smoothing == pytest.approx(amount, abs=1e-4)


def test_label_smoothing_is_measured_for_pixels_and_tokens():
    pixels = MeasuredLoss(SMOOTHED, torch.randn(2, 5, 4, 4), torch.randint(5, (2, 4, 4)))
    assert (pixels.class_axis, pixels.class_count) == (1, 5)
    assert pixels.label_smoothing == pytest.approx(0.1, abs=1e-4)
    tokens = MeasuredLoss(
        lambda z, y: SMOOTHED(z.flatten(0, 1), y.flatten()), torch.randn(2, 4, 7), torch.randint(7, (2, 4))
    )
    assert (tokens.class_axis, tokens.class_count) == (2, 7)
    assert tokens.label_smoothing == pytest.approx(0.1, abs=1e-4)


def test_label_smoothing_is_measured_where_the_targets_are_soft():
    soft = F.one_hot(Y, 3).float() * 0.8 + 0.2 / 3
    assert MeasuredLoss(SMOOTHED, torch.randn(12, 3), soft).label_smoothing == pytest.approx(0.1, abs=1e-4)


def test_a_sum_over_the_rows_is_measured():
    assert MeasuredLoss(nn.CrossEntropyLoss(reduction="sum"), torch.randn(12, 3), Y).is_sum
    assert not MeasuredLoss(nn.CrossEntropyLoss(), torch.randn(12, 3), Y).is_sum


class OwnNorm(nn.Module):
    """A root-mean-square norm of the user's own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * self.gain


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(8), nn.LayerNorm(8), nn.GroupNorm(2, 8), nn.RMSNorm(8), OwnNorm(8)])
def test_norms_and_the_weights_before_them_are_found_whatever_their_class(norm):
    model = nn.Sequential(nn.Linear(6, 8), norm, nn.ReLU(), nn.Linear(8, 3))
    setup = Setup.of(model, None, nn.CrossEntropyLoss(), (X, Y))
    assert list(setup.norms) == ["1"]
    assert setup.scale_invariant == ("0.weight",)


def test_running_statistics_of_a_norm_of_the_users_own_are_not_moved():
    class Running(OwnNorm):
        def __init__(self, width: int) -> None:
            super().__init__(width)
            self.mean: Tensor
            self.register_buffer("mean", torch.full((width,), 5.0))

        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                self.mean.lerp_(x.detach().mean(0), 0.5)
            return super().forward(x - (x.mean(0) if self.training else self.mean))

    model = nn.Sequential(nn.Linear(6, 8), Running(8), nn.ReLU(), nn.Linear(8, 3))
    setup = Setup.of(model, None, nn.CrossEntropyLoss(), (X, Y))
    assert list(setup.norms) == ["1"]
    assert torch.equal(setup.model.get_buffer("1.mean"), torch.full((8,), 5.0))
    assert "random-in-evaluation" not in audit(model, None, nn.CrossEntropyLoss(), batch=(X, Y)).rules


def test_a_vector_of_gains_without_a_norm_is_none():
    class Gain(OwnNorm):
        def forward(self, x: Tensor) -> Tensor:
            return x * self.gain

    setup = Setup.of(nn.Sequential(nn.Linear(6, 8), Gain(8), nn.Linear(8, 3)), None, nn.CrossEntropyLoss(), (X, Y))
    assert not setup.norms
    assert setup.scale_invariant == ()


def test_tied_parameters_have_all_their_names():
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    model[1].weight = model[0].weight
    assert Setup.of(model).all_names["0.weight"] == ["0.weight", "1.weight"]


def test_parts_that_the_user_keeps_in_evaluation_mode_stay_there():
    model = network()
    model[1].eval()

    def trains(name: str) -> bool:
        training = Setup.of(model, None, nn.CrossEntropyLoss(), (X, Y)).training
        assert training is not None
        call = training.first_call(name)
        assert call is not None
        return call.training

    assert not trains("1") and trains("3")
    model.eval()
    assert trains("1")


def test_the_gradients_are_those_of_the_loop():
    model = network()
    setup = Setup.of(copy.deepcopy(model), None, nn.CrossEntropyLoss(), (X, Y))
    for copied in (model, setup.model):
        dropout = copied.get_submodule("3")
        assert isinstance(dropout, nn.Dropout)
        dropout.p = 0.0
    F.cross_entropy(model(X), Y).backward()
    assert setup.training is not None
    assert set(setup.training.gradients) == {name for name, _ in model.named_parameters()}
    for name, each in model.named_parameters():
        torch.testing.assert_close(setup.training.gradients[name], each.grad)


def test_batches_come_in_the_forms_that_loops_have():
    assert len(ProbeBatch.of((X, Y))) == 12
    assert ProbeBatch.of(((X, X), Y)).args == (X, X)
    named = ProbeBatch.of({"input_ids": X, "labels": Y})
    assert (named.args, named.y is Y, sorted(named.kwargs)) == ((), True, ["input_ids", "labels"])
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=4)
    assert len(ProbeBatch.of(loader)) == 4
    with pytest.raises(ValueError, match=r"batch: expected .*got Tensor"):
        ProbeBatch.of(X)


def test_logits_are_found_in_what_models_give():
    assert logits_of((X, "rest")) is X
    assert logits_of({"loss": Y, "logits": X}) is X
    assert logits_of(SimpleNamespace(logits=X)) is X
    assert logits_of("nothing") is None


def test_rates_of_layers_that_drop():
    class DropPath(nn.Module):
        drop_prob = 0.2

    assert (drop_rate(nn.Dropout2d(0.3)), drop_rate(DropPath()), drop_rate(nn.Linear(2, 2))) == (0.3, 0.2, None)


def test_many_names_are_few_words():
    assert first_names(["a", "b", "c"]) == "a, b, c"
    assert first_names([str(number) for number in range(9)]) == "0, 1, 2 and 6 more"
