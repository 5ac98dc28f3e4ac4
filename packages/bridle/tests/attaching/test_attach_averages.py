"""Averages, copies and the best epoch: what the model holds within ``averaged`` and behind ``restore_best``."""

from __future__ import annotations

import pytest
import torch
from loops import CRITERION, adam, attached, data, perceptron, train, weights
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from bridle.attaching import attach
from bridle.regularizers import SnapshotEnsemble


def with_norm() -> nn.Sequential:
    model = perceptron()
    return nn.Sequential(model[0], nn.BatchNorm1d(8), *list(model)[1:])


def test_the_average_is_in_the_model_within_and_the_weights_are_behind() -> None:
    handle = attached("EMA(decay=0.5, warmup=0.0)")
    average = weights(handle.model)
    for step in range(4):
        train(handle, 1, first=step)
        average = 0.5 * average + 0.5 * weights(handle.model)
    trained = weights(handle.model)
    with handle.averaged() as model:
        assert model is handle.model
        torch.testing.assert_close(weights(model), average)
        with handle.averaged():
            torch.testing.assert_close(weights(model), average)
        torch.testing.assert_close(weights(model), average)
    assert torch.equal(weights(handle.model), trained)


def test_weights_come_back_when_the_evaluation_fails() -> None:
    handle = attached("EMA")
    train(handle, 3)
    trained = weights(handle.model)
    with pytest.raises(ZeroDivisionError), handle.averaged():
        raise ZeroDivisionError
    assert torch.equal(weights(handle.model), trained)


def test_without_averages_the_model_is_as_it_is() -> None:
    handle = attached("L2")
    with handle.averaged() as model:
        train(handle, 1)
    assert model is handle.model


def test_training_within_is_refused() -> None:
    handle = attached("EMA")
    with handle.averaged(), pytest.raises(RuntimeError, match=r"leave handle\.averaged\(\) before training goes on"):
        train(handle, 1)


def test_running_statistics_are_averaged_with_the_weights_and_counts_are_not() -> None:
    model = with_norm()
    handle = attach(model, adam(model), "EMA(decay=0.5, warmup=0.0)", loss=CRITERION)
    mean = model.get_buffer("1.running_mean").clone()
    for step in range(3):
        train(handle, 1, first=step)
        mean = 0.5 * mean + 0.5 * model.get_buffer("1.running_mean")
    with handle.averaged():
        torch.testing.assert_close(model.get_buffer("1.running_mean"), mean)
        assert int(model.get_buffer("1.num_batches_tracked")) == 3


def test_swa_is_torchs_averaged_model_with_statistics_measured_anew() -> None:
    model = with_norm()
    handle = attach(model, adam(model), "SWA(start=0.5, every=0.0)", loss=CRITERION, steps=8)
    average = AveragedModel(model)
    x, _ = data()
    for step in range(8):
        train(handle, 1, first=step)
        if step >= 3:
            average.update_parameters(model)
    batches = [(part, None) for part in x.split(16)]
    update_bn([part for part, _ in batches], average)
    state = model.get_buffer("1.running_var").clone(), int(model.get_buffer("1.num_batches_tracked")), model[1].momentum
    with handle.averaged(batches):
        torch.testing.assert_close(model.eval()(x), average.module.eval()(x))
    assert torch.equal(model.get_buffer("1.running_var"), state[0])
    assert (int(model.get_buffer("1.num_batches_tracked")), model[1].momentum) == state[1:]


def test_statistics_of_norms_that_the_recipe_brought_along_are_measured_anew_too() -> None:
    handle = attached("BatchNorm + SWA(start=0.5, every=0.0) + Dropout(rate=0.5)")
    train(handle, 60)
    norm, (x, _) = handle.model.get_submodule("0.recipe_norm1"), data()
    before = norm.get_buffer("running_mean").clone()
    parts = x.split(16)
    with handle.averaged(parts):
        h = [part @ handle.model.get_parameter("0.weight").T + handle.model.get_parameter("0.bias") for part in parts]
        means = torch.stack([each.mean(0) for each in h]).mean(0).detach()
        variances = torch.stack([each.var(0) for each in h]).mean(0).detach()
        torch.testing.assert_close(norm.get_buffer("running_mean"), means)
        torch.testing.assert_close(norm.get_buffer("running_var"), variances)
    assert torch.equal(norm.get_buffer("running_mean"), before)
    assert handle.model.training


class OfDictionaries(nn.Module):
    """Takes a batch as one dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = with_norm()

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        out: Tensor = self.steps(batch["x"])
        return out


def test_statistics_are_measured_on_batches_in_the_forms_that_steps_take_but_single_rows() -> None:
    model, (x, y) = OfDictionaries(), data()
    handle = attach(model, adam(model), "SWA(start=0.5, every=0.0)", loss=CRITERION, steps=4)
    for _ in range(4):
        handle.step({"x": x}, y)
    seen = []
    for batches in ([{"x": x}, {"x": x[:1]}], [({"x": x}, y)]):
        with handle.averaged(batches):
            seen.append(model.steps.get_buffer("1.running_mean").clone())
            torch.testing.assert_close(seen[-1], model.steps[0](x).mean(0).detach())
    assert torch.equal(*seen)


def test_an_ensemble_predicts_with_all_copies() -> None:
    handle = attached("SnapshotEnsemble(cycles=4)")
    outputs: list[Tensor] = []
    x, _ = data()
    for step in range(100):
        train(handle, 1, first=step)
        if (step + 1) % 25 == 0:
            outputs.append(handle.model(x).detach())
    with handle.averaged() as model:
        torch.testing.assert_close(model(x), SnapshotEnsemble.torch(torch.stack(outputs)))
    torch.testing.assert_close(handle.model(x).detach(), outputs[-1])


def test_training_stops_and_the_best_weights_come_back() -> None:
    handle = attached("EarlyStopping(patience=2) + EMA(decay=0.5)")
    best = torch.empty(0)
    verdicts = []
    for step, loss in enumerate((0.9, 0.5, 0.6, 0.7)):
        train(handle, 1, first=step)
        with handle.averaged() as model:
            verdicts.append(handle.stop(loss))
            if loss == 0.5:
                best = weights(model)
    assert verdicts == [False, False, False, True]
    assert not torch.equal(weights(handle.model), best)
    handle.restore_best()
    assert torch.equal(weights(handle.model), best)
    with handle.averaged() as model:
        assert torch.equal(weights(model), best)


def test_the_best_epoch_is_kept_as_it_is_evaluated_inside_of_averaged_or_not() -> None:
    handle = attached("EarlyStopping + EMA(decay=0.5)")
    train(handle, 3)
    handle.stop(1.0)
    with handle.averaged() as model:
        expected = weights(model)
    handle.restore_best()
    assert torch.equal(weights(handle.model), expected)


def test_a_metric_is_better_the_higher_it_is() -> None:
    handle = attached("EarlyStopping(patience=1, watch='metric')")
    assert [handle.stop(1.0, metric=metric) for metric in (0.5, 0.6, 0.55)] == [False, False, True]
    with pytest.raises(ValueError, match="metric="):
        handle.stop(1.0)


def test_what_stops_is_silent_where_the_recipe_has_none() -> None:
    handle = attached("L2")
    before = weights(handle.model)
    assert handle.stop(1.0) is False
    handle.restore_best()
    assert torch.equal(weights(handle.model), before)
    with pytest.raises(RuntimeError, match="no best epoch yet"):
        attached("EarlyStopping").restore_best()


def test_what_averages_need_of_the_loop_is_noted() -> None:
    assert any("takes a copy every 25 steps" in note for note in attached("SnapshotEnsemble(cycles=4)").notes)
    assert any("handle.averaged(batches)" in note for note in attached("SWA + BatchNorm").notes)
    assert not attached("SWA").notes


def test_lookahead_takes_the_weights_back_and_keeps_them_so() -> None:
    handle, plain = attached("Lookahead(alpha=0.5, period=3)"), attached(None)
    start = weights(handle.model)
    train(handle, 3)
    train(plain, 3)
    torch.testing.assert_close(weights(handle.model), (start + weights(plain.model)) / 2)
    with handle.averaged() as model:
        torch.testing.assert_close(weights(model), (start + weights(plain.model)) / 2)


@pytest.mark.parametrize("way", ["in evaluation mode", "weights frozen", "statistics not tracked"])
def test_norms_that_are_frozen_keep_their_statistics_where_others_are_measured_anew(way: str) -> None:
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    frozen = model[0]
    assert isinstance(frozen, nn.BatchNorm1d) and frozen.running_mean is not None
    frozen.running_mean.fill_(0.7)
    frozen.eval() if way == "in evaluation mode" else frozen.requires_grad_(way != "weights frozen")
    frozen.track_running_stats = way != "statistics not tracked"
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "SWA", loss=CRITERION, steps=4)
    for _ in range(4):
        handle.step(*data())
    kept, moved = frozen.running_mean.clone(), model.get_buffer("2.running_mean").clone()
    model.eval()
    with handle.averaged([data()[0] + 5.0]):
        if way != "weights frozen":  # in training mode its statistics move, and are averaged
            assert torch.equal(frozen.running_mean, kept)
        assert frozen.running_mean.mean() < 2.0  # not those of the batches: about 5
        assert not torch.allclose(model.get_buffer("2.running_mean"), moved, atol=0.05)
