"""What the code of a recipe returns: the epoch, the length and the weights that the engine ends with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from catalog_recipes import ENDINGS
from code_replay import NETWORK, SEED, Replay
from sklearn.datasets import load_diabetes

import bridle.exporting.training
import bridle.protocol
from bridle import engine, vanilla
from bridle.data import Data, load
from bridle.exporting import to_code
from bridle.metric_info import METRICS, TASK_METRICS, curve_metric
from bridle.networks import mlp
from bridle.protocol import Protocol, Variant


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="module")
def diabetes() -> Data:
    x, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    train, valid, test = np.split(order, [260, 350])
    x = x / x.std(0)
    return Data(x[train], y[train], x[valid], y[valid], x[test], y[test], task="regression", name="diabetes")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("recipe", ENDINGS)
def test_what_the_code_returns_is_what_the_engine_ends_with(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str
) -> None:
    protocol = Protocol("adam", lr=0.01, batch_size=64, epochs=6, precision="float64")
    replay = Replay(digits, recipe, NETWORK, protocol)
    run = replay.record(monkeypatch, lambda: engine.train(digits, replay.recipe, NETWORK, protocol, SEED))
    model = replay.run(monkeypatch)
    assert len(replay.losses) == (run.stopped_at or 6) * (len(digits.x_train) // 64)
    with torch.no_grad():
        z = model(torch.from_numpy(digits.x_valid).double())
    loss = F.cross_entropy(z, torch.from_numpy(digits.y_valid)).item()
    assert loss == pytest.approx(run.scores["valid"]["log_loss"], rel=1e-9)


@pytest.fixture(scope="module")
def few(digits: Data) -> Data:
    """So few digits, some of them under a wrong name, that the best epoch is not the last."""
    labels = np.where(np.arange(150) % 5, digits.y_train[:150], (digits.y_train[:150] + 1) % 10)
    return Data(digits.x_train[:150], labels, digits.x_valid[:100], digits.y_valid[:100], classes=digits.classes)


def check_ending(monkeypatch: pytest.MonkeyPatch, data: Data, recipe: str, protocol: Protocol) -> tuple[Replay, Any]:
    """What the script returns is what the engine ends with; returns the replay and the engine's run."""
    replay = Replay(data, recipe, mlp(16), replace(protocol, precision="float64"))
    run = replay.record(monkeypatch, lambda: engine.train(data, replay.recipe, mlp(16), replay.protocol, SEED))
    model = replay.run(monkeypatch)
    with torch.no_grad():
        z = model(torch.from_numpy(data.x_valid).double())
    y = torch.from_numpy(data.y_valid)
    if data.task == "classification":
        assert F.cross_entropy(z, y).item() == pytest.approx(run.scores["valid"]["log_loss"], rel=1e-9)
    else:
        mean, deviation = data.target_scale
        off = (z[:, 0] * deviation + mean - y).square().mean().sqrt().item()
        assert off == pytest.approx(run.scores["valid"]["rmse"], rel=1e-6)
    return replay, run


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "recipe",
    ["none", "BatchNorm + EMA(decay=0.8) + Dropout", "SnapshotEnsemble(cycles=2)", "EarlyStopping(patience=2)"],
)
@pytest.mark.parametrize("metric", [None, "accuracy", "brier"])
def test_the_code_keeps_the_best_epoch_where_the_protocol_does(
    monkeypatch: pytest.MonkeyPatch, few: Data, recipe: str, metric: str | None
) -> None:
    protocol = Protocol(lr=0.05, batch_size=32, epochs=30, restore_best=True, metric=metric)
    _, run = check_ending(monkeypatch, few, recipe, protocol)
    assert (run.best_epoch is None) == ("Ensemble" in recipe)
    assert run.best_epoch is None or run.best_epoch < 30


@pytest.mark.parametrize(
    ("metric", "said"), [(None, "lowest validation loss"), ("accuracy", "highest validation accuracy")]
)
def test_the_code_says_which_score_chooses(metric: str | None, said: str) -> None:
    code = to_code("none", NETWORK, Protocol(epochs=3, restore_best=True, metric=metric))
    assert f"# The weights of the epoch with the {said} are kept." in code


@pytest.mark.parametrize("metric", METRICS)
def test_the_code_measures_every_metric_as_the_engine_does(
    monkeypatch: pytest.MonkeyPatch, few: Data, diabetes: Data, metric: str
) -> None:
    data = few if metric in TASK_METRICS["classification"] else diabetes
    protocol = Protocol(lr=0.03, batch_size=32, epochs=6, restore_best=True, metric=metric)
    replay, run = check_ending(monkeypatch, data, "none", protocol)
    shown = curve_metric(metric)
    said = [float(line.rsplit(maxsplit=1)[-1]) for line in replay.printed]
    assert said == pytest.approx(run.curves[f"valid_{shown}"], abs=6e-5)
    assert all(f", {shown.replace('_', ' ')} " in line for line in replay.printed)


def test_two_classes_have_the_usual_scores(monkeypatch: pytest.MonkeyPatch, few: Data) -> None:
    pairs = [array for x, y in few.splits().values() for array in (x, y % 2)]
    for metric in TASK_METRICS["classification"]:
        protocol = Protocol(lr=0.03, batch_size=32, epochs=2, restore_best=True, metric=metric)
        replay, run = check_ending(monkeypatch, Data(*pairs, task="classification"), "none", protocol)
        said = [float(line.rsplit(maxsplit=1)[-1]) for line in replay.printed]
        assert said == pytest.approx(run.curves[f"valid_{curve_metric(metric)}"], abs=6e-5)


def test_early_stopping_watches_the_metric_of_the_protocol(monkeypatch: pytest.MonkeyPatch, few: Data) -> None:
    for metric in ("brier", "balanced_accuracy"):
        recipe = "EarlyStopping(patience=2, watch='metric')"
        _, run = check_ending(monkeypatch, few, recipe, Protocol(lr=0.03, batch_size=32, epochs=20, metric=metric))
        assert run.stopped_at is not None and run.stopped_at < 20


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lengths that are tried are a tenth of what they are."""
    for name, tenth in (("FIRST_STEPS", 20), ("LAST_STEPS", 300), ("LAST_EPOCHS", 6)):
        for module in (bridle.protocol, bridle.exporting.training):
            monkeypatch.setattr(module, name, tenth)


@pytest.mark.usefixtures("short")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("recipe", "lr", "metric"),
    [
        ("none", 0.02, None),
        ("none", 0.01, "accuracy"),
        ("L2(strength=0.01) + BatchNorm + Dropout", 0.003, "auroc"),
        ("EMA(decay=0.9)", 0.01, None),
        ("EarlyStopping(patience=5)", 0.01, None),
        ("SnapshotEnsemble(cycles=2)", 0.01, None),
    ],
)
def test_the_code_finds_an_open_length_as_the_engine_does(
    monkeypatch: pytest.MonkeyPatch, few: Data, recipe: str, lr: float, metric: str | None
) -> None:
    replay, run = check_ending(monkeypatch, few, recipe, Protocol(lr=lr, batch_size=50, metric=metric))
    assert len(run.lengths) > 1
    assert len(replay.printed) == len(run.lengths)
    for line, length in zip(replay.printed, run.lengths, strict=True):
        assert line.endswith(f" {length.score:.4f} after {length.best_epoch}")


@pytest.mark.usefixtures("short")
def test_the_code_finds_the_length_of_a_regression(monkeypatch: pytest.MonkeyPatch, diabetes: Data) -> None:
    for metric in ("r2", "mae"):
        replay, run = check_ending(monkeypatch, diabetes, "none", Protocol(lr=0.003, batch_size=130, metric=metric))
        assert len(replay.printed) == len(run.lengths) > 1


@pytest.mark.usefixtures("short")
def test_an_open_length_without_the_best_epoch_ends_with_the_last(monkeypatch: pytest.MonkeyPatch, few: Data) -> None:
    _, run = check_ending(monkeypatch, few, "L2", Protocol(lr=0.01, batch_size=75, restore_best=False))
    assert run.best_epoch is None and len(run.lengths) > 1


def weighed(few: Data) -> Data:
    """The same with fewer rows of the first digits."""
    rows = np.flatnonzero((few.y_train > 4) | (np.arange(150) % 3 == 0))
    return Data(few.x_train[rows], few.y_train[rows], *few.splits()["valid"], classes=few.classes)


@pytest.mark.parametrize(
    "recipe",
    [
        "none",
        "L2 + ClipNorm(limit=0.5)",
        "LabelSmoothing(strength=0.2)",
        "HardBootstrap + LabelSmoothing + SAM",
        "FGSM + JacobianPenalty + SAM",
    ],
)
def test_the_code_weighs_classes_as_the_vanilla_engine_does(
    monkeypatch: pytest.MonkeyPatch, few: Data, recipe: str
) -> None:
    data = weighed(few)
    protocol = Protocol(batch_size=25, epochs=3, precision="float64", class_weight="balanced")
    replay = Replay(data, recipe, mlp(12), protocol)
    variant = Variant(replay.recipe, SEED)
    expected = replay.record(monkeypatch, lambda: engine.step_losses(data, variant, mlp(12), protocol, 10**3))
    assert expected == pytest.approx(vanilla.step_losses(data, variant, mlp(12), protocol, 10**3), rel=1e-9)
    replay.run(monkeypatch)
    assert replay.losses[:: 2 if "SAM" in recipe else 1] == pytest.approx(expected, rel=1e-9)
    plain = vanilla.step_losses(data, variant, mlp(12), replace(protocol, class_weight=None), 10**3)
    assert expected != pytest.approx(plain, rel=1e-2)
