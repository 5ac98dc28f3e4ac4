"""The training loop: one step against a plain torch loop, whole runs, and what goes wrong."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import nn

from bridle.data import Data, load
from bridle.metric_info import TASK_METRICS
from bridle.networks import linear, mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe
from bridle.seeded_draws import batch_orders
from bridle.vanilla import step_losses, train_variants
from bridle.vanilla.evaluation import layer_summaries
from bridle.vanilla.network import build
from bridle.vanilla.training import prepare

NONE = Variant(Recipe(), 0)


def variant(recipe, seed=0):
    return Variant(Recipe.parse(recipe), seed)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def line():
    """A noisy linear target in units of its own."""
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 5)).astype(np.float32)
    y = (300 + 40 * x @ [1.0, -2.0, 0.0, 0.5, 1.0] + random.normal(0.0, 10.0, 300)).astype(np.float32)
    return Data(x[:200], y[:200], x[200:250], y[200:250], x[250:], y[250:])


@pytest.fixture(scope="module")
def blobs():
    """Three small clouds."""
    random = np.random.default_rng(1)
    y = np.arange(120) % 3
    x = (random.normal(size=(120, 4)) + 2 * np.eye(3, 4)[y]).astype(np.float32)
    return Data(x[:60], y[:60], x[60:90], y[60:90], x[90:], y[90:])


def weighted(data, weights):
    """The same data, whose rows count so much in the loss of training."""
    return Data(*data.splits()["train"], *data.splits()["valid"], task=data.task, sample_weight=weights)


def unbalanced(data):
    """The same data with few rows of the last classes in training, and with such weights of the rows."""
    rows = np.concatenate([np.flatnonzero(data.y_train == each)[: 16 - 6 * each] for each in range(3)])
    return Data(data.x_train[rows], data.y_train[rows], *data.splits()["valid"], classes=data.classes)


@pytest.mark.parametrize(
    ("task", "class_weight", "weights"),
    [
        ("classification", None, None),
        ("regression", None, None),
        ("classification", "balanced", None),
        ("classification", "balanced", np.linspace(0.0, 2.0, 20)),
        ("regression", None, np.linspace(0.0, 2.0, 20)),
    ],
)
def test_the_gradient_of_a_step_is_the_slope_of_data_loss_and_penalties(task, class_weight, weights, blobs, line):
    data = unbalanced(blobs) if task == "classification" else line
    recipe = "L2(0.01, on='all') + L2(0.1, on='output.*') + Dropout(0.2) + BatchNorm"
    recipe += " + LabelSmoothing(strength=0.2)" * (class_weight is not None)
    protocol = Protocol(optimizer="sgd", lr=1.0, epochs=1, class_weight=class_weight)
    x = data.x_train[:20].astype(np.float64)
    y = data.y_train[:20] if task == "classification" else x.sum(1)
    row_weights = 1.0 if weights is None else weights[:, None]

    def step(name=None, place=None, move=0.0):
        trainer = prepare(data, variant(recipe), mlp(4, activation="tanh"), protocol)
        weights = trainer.network.parameters
        if name:
            weights[name][place] += move
        before = {key: w.copy() for key, w in weights.items()}
        loss = sum(trainer.step(x, y, row_weights))
        return loss, {key: before[key] - w for key, w in weights.items()}

    _, gradients = step()
    for name, gradient in gradients.items():
        for place in np.ndindex(gradient.shape):
            slope = (step(name, place, 1e-6)[0] - step(name, place, -1e-6)[0]) / 2e-6
            assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-8), name


def torch_losses(data, optimizer_of, network, protocol, seed):
    """Fifty steps of a plain loop on torch's own module, loss and optimizer."""
    model = network.build(data.n_inputs, data.n_outputs).double()
    start = build(network, Recipe(), seed, data.n_inputs, data.n_outputs).parameters
    model.load_state_dict({name: torch.tensor(w) for name, w in start.items()})
    optimizer = optimizer_of(model.parameters(), lr=1.0)
    x, y = torch.tensor(data.x_train).double(), torch.tensor(data.y_train)
    orders = batch_orders(seed, len(x), protocol.batch_size)
    per_epoch = len(x) // protocol.batch_size
    losses = []
    for step in range(50):
        if step % per_epoch == 0:
            order = next(orders).reshape(per_epoch, -1)
        rows = torch.tensor(order[step % per_epoch])
        optimizer.param_groups[0]["lr"] = protocol.learning_rate(step, protocol.epochs * per_epoch)
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("name", "recipe", "optimizer"),
    [
        ("sgd", "none", torch.optim.SGD),
        ("sgd", "WeightDecay(0.05, on='all')", lambda w, lr: torch.optim.SGD(w, lr, weight_decay=0.05)),
        ("momentum", "none", lambda w, lr: torch.optim.SGD(w, lr, momentum=0.9)),
        ("adam", "none", torch.optim.Adam),
        ("adam", "WeightDecay(0.3, on='all')", lambda w, lr: torch.optim.AdamW(w, lr, weight_decay=0.3)),
        ("adamw", "none", torch.optim.AdamW),
        ("adamw", "WeightDecay(0.3, on='all')", lambda w, lr: torch.optim.AdamW(w, lr, weight_decay=0.3)),
    ],
)
def test_fifty_steps_are_those_of_a_plain_torch_loop(name, recipe, optimizer, digits):
    protocol = Protocol(optimizer=name, epochs=5, batch_size=64)
    ours = step_losses(digits, variant(recipe, 3), mlp(16, 8), protocol, 50)
    theirs = torch_losses(digits, optimizer, mlp(16, 8), protocol, 3)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert theirs[-1] < theirs[0]


def test_step_losses_contain_the_penalties(blobs):
    plain = step_losses(blobs, NONE, mlp(4), Protocol(epochs=1), 1)
    punished = step_losses(blobs, variant("L2(0.5)"), mlp(4), Protocol(epochs=1), 1)
    parameters = build(mlp(4), Recipe(), 0, 4, 3).parameters
    matrices = (w for w in parameters.values() if w.ndim == 2)
    assert punished[0] - plain[0] == pytest.approx(0.5 * sum((w**2).sum() for w in matrices), rel=1e-12)


def test_digits_are_learned_in_a_few_epochs(digits):
    protocol = Protocol(lr=0.005, epochs=15, batch_size=32)
    (run,) = train_variants(digits, [variant("BatchNorm")], mlp(64), protocol)
    assert run.scores["valid"]["accuracy"] > 0.95
    assert run.curves["train_loss"][-1] < run.curves["train_loss"][0] / 3
    assert run.diverged_at is None


def test_a_run_says_what_its_documentation_promises(digits):
    recipe = variant("BatchNorm + Dropout(0.2)", 4)
    (run,) = train_variants(digits, [recipe], mlp(12, 6), Protocol(epochs=3))
    assert (run.recipe, run.seed) == (str(recipe.recipe), 4)
    assert {split: tuple(found) for split, found in run.scores.items()} == dict.fromkeys(
        digits.splits(), TASK_METRICS["classification"]
    )
    assert set(run.curves) == {"epoch", "step_loss", "train_loss", "valid_loss", "train_accuracy", "valid_accuracy"}
    assert run.curves["epoch"] == [1, 2, 3]
    assert run.curves["valid_accuracy"][-1] == run.scores["valid"]["accuracy"]
    assert [(layer.name, layer.units) for layer in run.layers] == [("linear1", 12), ("linear2", 6), ("output", 10)]
    assert [layer.gammas and len(layer.gammas) for layer in run.layers] == [12, 6, None]
    weight = run.model.parameters["linear2.weight"]
    assert run.layers[1].weight_norm == pytest.approx(np.linalg.norm(weight))
    assert sum(run.layers[1].weights["counts"]) == weight.size
    accuracy = (run.model.predict(digits.x_valid).argmax(1) == digits.y_valid).mean()
    assert accuracy == run.scores["valid"]["accuracy"]
    assert run.seconds > 0
    assert type(run).from_json(run.to_json()) == run


def test_the_step_loss_of_an_epoch_is_the_mean_over_its_batches(blobs):
    protocol = Protocol(epochs=1, batch_size=20)
    (run,) = train_variants(blobs, [NONE], mlp(4), protocol)
    assert run.curves["step_loss"] == [pytest.approx(np.mean(step_losses(blobs, NONE, mlp(4), protocol, 3)))]


def test_a_run_does_not_depend_on_its_neighbours(blobs):
    variants = [variant("Dropout(0.3)", 1), variant("BatchNorm", 1), variant("Dropout(0.3)", 2)]
    protocol = Protocol(epochs=2, batch_size=16)
    together = list(train_variants(blobs, variants, mlp(8), protocol))
    (alone,) = train_variants(blobs, variants[2:], mlp(8), protocol)
    assert (alone.curves, alone.scores) == (together[2].curves, together[2].scores)
    assert together[0].scores != together[2].scores


def test_a_batch_larger_than_the_data_is_all_of_the_data(blobs):
    (run,) = train_variants(blobs, [NONE], mlp(4), Protocol(epochs=2, batch_size=1000))
    assert len(step_losses(blobs, NONE, mlp(4), Protocol(epochs=2, batch_size=1000), 50)) == 2
    assert run.diverged_at is None


def test_regression_reaches_least_squares_and_scores_in_the_targets_units(line):
    (run,) = train_variants(line, [NONE], linear(), Protocol(optimizer="momentum", epochs=40, batch_size=20))
    reference = LinearRegression().fit(line.x_train, line.y_train)
    assert run.scores["test"]["r2"] == pytest.approx(reference.score(line.x_test, line.y_test), abs=0.005)
    assert 5 < run.scores["test"]["rmse"] < 15
    assert set(run.curves) >= {"train_r2", "valid_r2"}


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_a_learning_rate_that_is_far_too_high_is_reported(optimizer, line):
    protocol = Protocol(optimizer=optimizer, lr=1e6, schedule="constant", epochs=20, batch_size=50)
    counted: list[int] = []
    (run,) = train_variants(line, [NONE], linear(), protocol, progress=counted.append)
    assert run.diverged_at is not None and 1 < run.diverged_at < 20
    assert {len(curve) for curve in run.curves.values()} == {run.diverged_at - 1}
    assert all(math.isnan(score) for found in run.scores.values() for score in found.values())
    assert sum(counted) == 20 * 4
    assert run.to_json()["scores"]["valid"]["r2"] is None


def test_a_diverging_run_leaves_the_others_unharmed(blobs):
    protocol = Protocol(optimizer="sgd", epochs=40, batch_size=10)
    wild = variant("WeightDecay(1000000.0)")
    runs = list(train_variants(blobs, [wild, NONE], mlp(4), protocol))
    (alone,) = train_variants(blobs, [NONE], mlp(4), protocol)
    assert runs[0].diverged_at is not None
    assert (runs[1].curves, runs[1].scores) == (alone.curves, alone.scores)


def test_progress_counts_every_step(blobs):
    counted: list[int] = []
    list(
        train_variants(
            blobs, [NONE, variant("none", 1)], mlp(4), Protocol(epochs=3, batch_size=16), progress=counted.append
        )
    )
    assert sum(counted) == 2 * 3 * 3


def test_runs_are_handed_out_as_they_are_finished(blobs):
    counted: list[int] = []
    runs = train_variants(blobs, [NONE] * 5, mlp(4), Protocol(epochs=1, batch_size=60), progress=counted.append)
    next(runs)
    assert sum(counted) == 1


def test_units_that_never_change_are_counted_as_dead(blobs):
    network = build(mlp(6), Recipe(), 0, blobs.n_inputs, blobs.n_outputs)
    network.parameters["linear1.bias"][:2] = -1000
    assert [layer.dead_units for layer in layer_summaries(network, blobs.x_train)] == [2, 0]
    network.parameters["linear1.bias"][:] = -1000
    assert [layer.dead_units for layer in layer_summaries(network, blobs.x_train)] == [6, blobs.n_outputs]


def test_a_pattern_that_selects_nothing_is_refused_before_anything_is_trained(blobs):
    counted: list[int] = []
    with pytest.raises(ValueError, match=r"on='conv\*' selects none of the parameters; they are linear1\.weight, "):
        train_variants(
            blobs, [NONE, variant("L2(0.1, on='conv*')")], mlp(4), Protocol(epochs=1), progress=counted.append
        )
    assert counted == []


def test_a_network_of_the_users_own_is_sent_to_the_torch_engine(blobs):
    with pytest.raises(ValueError, match="use the torch engine"):
        train_variants(blobs, [NONE], lambda: nn.Linear(4, 3), Protocol(epochs=1))


def test_balanced_classes_count_alike_in_the_loss(blobs):
    data = unbalanced(blobs)
    counts = np.bincount(data.y_train)
    assert counts.tolist() == [16, 10, 4]
    protocol = Protocol(epochs=1, batch_size=1000, class_weight="balanced")
    (loss,) = step_losses(data, NONE, mlp(4), protocol, 1)
    z = build(mlp(4), Recipe(), 0, 4, 3).predict(data.x_train)
    rows = nn.functional.cross_entropy(torch.tensor(z), torch.tensor(data.y_train), reduction="none").numpy()
    assert loss == pytest.approx(np.mean([rows[data.y_train == each].mean() for each in range(3)]), rel=1e-12)


def test_probabilities_of_classes_are_weighed_by_their_share_of_each(blobs):
    data = unbalanced(blobs)
    protocol = Protocol(epochs=1, batch_size=1000, class_weight="balanced")
    (loss,) = step_losses(data, variant("LabelSmoothing(strength=0.3)"), mlp(4), protocol, 1)
    z = torch.tensor(build(mlp(4), Recipe(), 0, 4, 3).predict(data.x_train))
    targets = 0.7 * np.eye(3)[data.y_train] + 0.1
    rows = nn.functional.cross_entropy(z, torch.tensor(targets), reduction="none").numpy()
    assert loss == pytest.approx((targets @ (30 / 3 / np.array([16, 10, 4])) * rows).mean(), rel=1e-12)


@pytest.mark.parametrize("recipe", ["none", "SAM + L2"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rows_that_weigh_double_count_as_if_they_stood_there_twice(task, recipe, blobs, line):
    data = blobs if task == "classification" else line
    times = 1 + np.arange(len(data.x_train)) % 3
    x, y = np.repeat(data.x_train, times, axis=0), np.repeat(data.y_train, times)
    repeated = Data(x, y, *data.splits()["valid"], classes=data.classes, task=data.task)
    object.__setattr__(repeated, "target_scale", data.target_scale)
    protocol = Protocol(epochs=5, batch_size=10_000)
    once = step_losses(weighted(data, times / times.mean()), variant(recipe), mlp(4), protocol, 5)
    assert once == pytest.approx(step_losses(repeated, variant(recipe), mlp(4), protocol, 5), rel=1e-6)
    assert once != pytest.approx(step_losses(data, variant(recipe), mlp(4), protocol, 5), rel=1e-3)


@pytest.mark.parametrize("recipe", ["Mixup", "CutMix(rate=0.5) + L2"])
def test_rows_with_weights_of_their_own_are_not_mixed(recipe, blobs):
    with pytest.raises(ValueError, match="mixes rows, and the rows here have weights of their own"):
        train_variants(weighted(blobs, np.ones(60)), [NONE, variant(recipe)], mlp(4), Protocol(epochs=1))


def test_a_regression_has_no_classes_to_weigh(line):
    with pytest.raises(ValueError, match="class_weight='balanced' is for classes, and the target here is a number"):
        train_variants(line, [NONE], mlp(4), Protocol(epochs=1, class_weight="balanced"))


def overfitting(data):
    """The same rows, so few and with such labels that a long training harms."""
    labels = np.where(np.arange(30) % 4, data.y_train[:30], (data.y_train[:30] + 1) % 3)
    return Data(data.x_train[:30], labels, *data.splits()["valid"], *data.splits()["test"])


@pytest.mark.parametrize(
    ("metric", "curve"), [(None, "valid_loss"), ("accuracy", "valid_accuracy"), ("ece", "valid_ece")]
)
@pytest.mark.parametrize("recipe", ["none", "EMA(decay=0.5) + Dropout"])
def test_the_weights_of_the_best_epoch_are_kept_by_the_metric_that_chooses(metric, curve, recipe, blobs):
    data = overfitting(blobs)
    protocol = Protocol(lr=0.05, epochs=20, batch_size=10, restore_best=True, metric=metric)
    (run,) = train_variants(data, [variant(recipe)], mlp(30), protocol)
    points = run.curves[curve]
    best = max(points) if metric == "accuracy" else min(points)
    assert run.best_epoch == points.index(best) + 1 < len(points) == 20
    assert run.scores["valid"][metric or "log_loss"] == pytest.approx(best, rel=1e-12)
    assert run.stopped_at is None
    (last,) = train_variants(data, [variant(recipe)], mlp(30), replace(protocol, restore_best=False))
    assert (last.best_epoch, last.curves) == (None, run.curves)
    assert last.scores["valid"][metric or "log_loss"] == pytest.approx(points[-1], rel=1e-12)


def test_a_recipe_with_a_stop_of_its_own_chooses_its_epoch_itself(blobs):
    data = overfitting(blobs)
    protocol = Protocol(lr=0.05, epochs=20, batch_size=10, metric="ece")
    stopping = variant("EarlyStopping(patience=3)")
    kept, asked = (
        next(train_variants(data, [stopping], mlp(30), replace(protocol, restore_best=flag))) for flag in (False, True)
    )
    assert (kept.best_epoch, kept.stopped_at, kept.scores) == (asked.best_epoch, asked.stopped_at, asked.scores)
    assert kept.best_epoch == 1 + int(np.argmin(kept.curves["valid_loss"]))


def test_an_ensemble_comes_to_its_end(blobs):
    protocol = Protocol(lr=0.05, epochs=6, batch_size=10, restore_best=True)
    (run,) = train_variants(overfitting(blobs), [variant("SnapshotEnsemble(cycles=3)")], mlp(8), protocol)
    assert run.best_epoch is None and len(run.model.members) == 3


def test_a_variant_may_have_a_peak_learning_rate_of_its_own(blobs):
    protocol = Protocol(epochs=2, batch_size=16)
    recipe = Recipe.parse("WeightDecay(strength=0.1)")
    own, other = train_variants(blobs, [Variant(recipe, 1, 0.05), Variant(recipe, 1)], mlp(8), protocol)
    (all_of_them,) = train_variants(blobs, [Variant(recipe, 1)], mlp(8), replace(protocol, lr=0.05))
    assert (own.lr, other.lr) == (0.05, None)
    assert own.scores == all_of_them.scores != other.scores


def test_an_open_length_is_not_trained_here(blobs):
    with pytest.raises(ValueError, match="the number of epochs is open"):
        next(train_variants(blobs, [NONE], mlp(4), Protocol()))
