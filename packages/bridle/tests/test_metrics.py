"""Scores against scikit-learn and by hand; what is not finite stays where it is."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    roc_auc_score,
)

from bridle.metric_info import METRICS, TASK_METRICS
from bridle.metrics import Metric, calibration_error, curve_scores, dead_units, resolve_metric, scores, weight_histogram

ROWS = 200
CLASSIFICATION, REGRESSION = (TASK_METRICS[task] for task in ("classification", "regression"))


def softmax(z):
    shares = np.exp(z - z.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def logits(random):
    return random.normal(size=(2, 3, ROWS, 4)) * 3, random.integers(0, 4, ROWS)


def sklearn_scores(z, y):
    """The same metrics by scikit-learn; one-vs-rest areas by hand, over the classes that have both kinds of rows."""
    p, classes = softmax(z), np.arange(z.shape[1])
    areas = [roc_auc_score(y == each, p[:, each]) for each in classes if 0 < (y == each).sum() < len(y)]
    binary = len(classes) == 2
    return {
        "log_loss": log_loss(y, p, labels=classes),
        "accuracy": accuracy_score(y, z.argmax(1)),
        "balanced_accuracy": np.mean([(z.argmax(1) == y)[y == each].mean() for each in np.unique(y)]),
        "auroc": (areas[1] if binary else np.mean(areas)) if areas else math.nan,
        "brier": brier_score_loss(y, p, labels=classes),
    }


def assert_scikit_learn_agrees(z, y):
    found = scores(z, y, task="classification")
    assert tuple(found) == CLASSIFICATION
    for name, score in sklearn_scores(z.astype(np.float64), y).items():
        assert found[name] == pytest.approx(score, rel=1e-9, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classification_scores_are_those_of_scikit_learn(random, classes):
    z, y = random.normal(size=(2, 3, ROWS, classes)) * 3, random.integers(0, classes, ROWS)
    for index in np.ndindex(2, 3):
        assert_scikit_learn_agrees(z[index], y)
        if classes > 2:
            area = roc_auc_score(y, softmax(z[index]), multi_class="ovr")
            assert scores(z, y, task="classification")["auroc"][index] == pytest.approx(area, rel=1e-12)
        assert scores(z, y, task="classification")["balanced_accuracy"][index] == pytest.approx(
            balanced_accuracy_score(y, z[index].argmax(1)), rel=1e-12
        )


@pytest.mark.parametrize("classes", [2, 4])
def test_scores_with_ties_are_those_of_scikit_learn(random, classes):
    assert_scikit_learn_agrees(random.integers(0, 3, (ROWS, classes)).astype(np.float64), random.integers(0, 2, ROWS))
    assert_scikit_learn_agrees(np.zeros((ROWS, classes)), random.integers(0, classes, ROWS))


def test_classes_that_the_rows_do_not_have_are_left_out_of_means_over_classes(random):
    z = random.normal(size=(ROWS, 6))
    for some in ([1, 4], [0, 2, 5]):
        assert_scikit_learn_agrees(z, random.choice(some, ROWS))


@pytest.mark.parametrize("classes", [2, 5])
def test_rows_of_a_single_class_have_no_area_and_all_other_scores(random, classes):
    z, y = random.normal(size=(ROWS, classes)), np.full(ROWS, 1)
    assert_scikit_learn_agrees(z, y)
    found = scores(z, y, task="classification")
    assert [name for name in found if math.isnan(found[name])] == ["auroc"]
    assert found["balanced_accuracy"] == pytest.approx(found["accuracy"])


@pytest.mark.parametrize("size", [1e2, 1e4, 1e300])
def test_extreme_logits_rank_and_score_as_their_probabilities_do(random, size):
    z, y = random.normal(size=(ROWS, 3)) * size, random.integers(0, 3, ROWS)
    found = scores(z, y, task="classification")
    theirs = sklearn_scores(z, y)
    for name in ("accuracy", "balanced_accuracy", "auroc", "brier"):
        assert found[name] == pytest.approx(theirs[name], rel=1e-9, abs=1e-12)
    own = z[np.arange(ROWS), y]  # scikit-learn clips at 1e-16 and says 36 where it is far more
    assert found["log_loss"] == pytest.approx((z.max(1) - own).mean(), rel=0.02)


def test_a_perfect_and_the_worst_answer_are_at_the_ends_of_each_scale():
    y = np.array([0, 1, 1, 0])
    best = {name: each.item() for name, each in scores(100.0 * np.eye(2)[y], y, task="classification").items()}
    worst = {name: each.item() for name, each in scores(100.0 * np.eye(2)[1 - y], y, task="classification").items()}
    assert best == pytest.approx(dict(zip(CLASSIFICATION, (0, 1, 1, 1, 0, 0), strict=True)), abs=1e-12)
    assert worst == pytest.approx(dict(zip(CLASSIFICATION, (100, 0, 0, 0, 1, 1), strict=True)), abs=1e-12)
    for name in CLASSIFICATION:
        assert (best[name] > worst[name]) == METRICS[name].higher_is_better


def test_only_what_is_asked_for_is_measured(logits):
    z, y = logits
    asked = scores(z, y, task="classification", names=("brier", "loss"))
    everything = scores(z, y, task="classification")
    assert list(asked) == ["brier", "loss"]
    assert (asked["brier"] == everything["brier"]).all() and (asked["loss"] == everything["log_loss"]).all()


@pytest.mark.parametrize(
    ("task", "metric", "shown"),
    [
        ("classification", None, ["loss", "accuracy"]),
        ("classification", "log_loss", ["loss", "accuracy"]),
        ("classification", "auroc", ["loss", "auroc"]),
        ("regression", None, ["loss", "r2"]),
        ("regression", "mae", ["loss", "mae"]),
    ],
)
def test_curves_show_the_loss_and_the_metric_that_chooses(random, task, metric, shown):
    z, y = random.normal(size=(2, ROWS, 1 if task == "regression" else 3)), random.integers(0, 3, ROWS)
    found = curve_scores(z, y, task=task, target_scale=(1.0, 2.0), chosen=resolve_metric(metric, task))
    assert list(found) == shown


def test_many_networks_score_as_each_alone(random):
    z, y = random.normal(size=(40, 300, 30)), random.integers(0, 30, 300)  # more than are measured at once
    together = scores(z, y, task="classification")
    for number in (0, 17, 39):
        for name, score in scores(z[number], y, task="classification").items():
            assert together[name][number] == score


def test_every_score_has_the_shape_of_the_leading_axes(logits):
    z, y = logits
    for part, leading in ((z, (2, 3)), (z[0], (3,)), (z[0, 0], ()), (z[0, :0], (0,))):
        assert {score.shape for score in scores(part, y, task="classification").values()} == {leading}


def test_calibration_error_is_the_weighted_gap_of_confidence_and_accuracy_by_bin(logits):
    z, y = logits
    shares = softmax(z[0, 0])
    confidence, right = shares.max(1), shares.argmax(1) == y
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert scores(z, y, task="classification")["ece"][0, 0] == pytest.approx(expected, abs=1e-12)


def test_calibration_error_is_zero_for_the_honest_and_large_for_the_boastful():
    half_right = np.array([True, False])
    assert calibration_error(np.array([0.5, 0.5]), half_right) == 0
    assert calibration_error(np.array([1.0, 1.0]), half_right) == 0.5


def test_huge_logits_do_not_overflow():
    found = scores(np.array([[1e4, -1e4], [1e4, -1e4]], dtype=np.float32), np.array([0, 1]), task="classification")
    assert {name: found[name].item() for name in ("log_loss", "accuracy", "ece", "brier", "auroc")} == {
        "log_loss": 1e4,
        "accuracy": 0.5,
        "ece": 0.5,
        "brier": 0.5,
        "auroc": 0.5,
    }


def test_regression_scores_are_those_of_scikit_learn_in_the_targets_own_units(random):
    y = random.normal(50.0, 20.0, ROWS)
    z = (y - 48.0)[:, None] / 18.0 + random.normal(size=(3, ROWS, 1)) * 0.3
    found = scores(z, y, task="regression", target_scale=(48.0, 18.0), names=(*REGRESSION, "loss"))
    for number in range(3):
        predicted = z[number, :, 0] * 18.0 + 48.0
        assert found["r2"][number] == pytest.approx(r2_score(y, predicted), rel=1e-12)
        assert found["rmse"][number] == pytest.approx(math.sqrt(mean_squared_error(y, predicted)), rel=1e-12)
        assert found["mae"][number] == pytest.approx(mean_absolute_error(y, predicted), rel=1e-12)
        assert found["loss"][number] == pytest.approx(found["rmse"][number] ** 2 / 18.0**2, rel=1e-12)


@pytest.mark.parametrize("error", [0.0, 1.0])
def test_r2_of_a_constant_target_is_that_of_scikit_learn(error):
    y, z = np.full(5, 2.0), np.full((5, 1), 2.0 + error)
    assert scores(z, y, task="regression")["r2"] == r2_score(y, z[:, 0])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_network_that_is_not_finite_gets_nan_and_its_neighbours_keep_their_scores(task, bad, random):
    outputs = 4 if task == "classification" else 1
    z = random.normal(size=(3, ROWS, outputs))
    y = random.integers(0, 4, ROWS) if task == "classification" else random.normal(size=ROWS)
    alone = scores(z, y, task=task)
    z[1, 7, 0] = bad
    for metric, found in scores(z, y, task=task).items():
        assert math.isnan(found[1])
        assert (found[[0, 2]] == alone[metric][[0, 2]]).all()


def test_finite_predictions_too_large_to_square_score_without_a_warning():
    found = scores(np.full((4, 1), 1e200), np.arange(4.0), task="regression")
    assert found["rmse"] == math.inf and found["r2"] == -math.inf and found["mae"] == 1e200


def test_float32_outputs_score_as_float64_ones_do(logits):
    z, y = logits
    narrow = z.astype(np.float32)
    for metric, found in scores(narrow, y, task="classification").items():
        assert (found == scores(narrow.astype(np.float64), y, task="classification")[metric]).all()


def top_two(y, p):
    return (p.argsort(1)[:, -2:] == y[:, None]).any(1).mean()


def test_a_metric_of_ones_own_sees_class_ids_and_probabilities(logits):
    z, y = logits
    seen = []

    def look(y, p):
        seen.append((y, p))
        return top_two(y, p)

    found = scores(z, y, task="classification", own=Metric("look", look))
    assert tuple(found) == (*CLASSIFICATION, "look")
    for (ids, p), index in zip(seen, np.ndindex(2, 3), strict=True):
        assert (ids == y).all() and not ids.flags.writeable and not p.flags.writeable
        np.testing.assert_allclose(p, softmax(z[index]), rtol=1e-12)
        assert found["look"][index] == top_two(y, softmax(z[index]))


def test_a_metric_of_ones_own_sees_targets_and_predictions_in_their_own_units(random):
    y = random.normal(50.0, 20.0, ROWS)
    z = random.normal(size=(ROWS, 1))
    own = Metric("largest_error", lambda y, prediction: np.abs(y - prediction).max(), higher_is_better=False)
    found = scores(z, y, task="regression", target_scale=(48.0, 18.0), own=own)
    assert found["largest_error"] == pytest.approx(np.abs(y - (z[:, 0] * 18 + 48)).max())


def test_a_metric_of_ones_own_is_not_asked_about_a_network_that_diverged(random):
    z = random.normal(size=(2, 5, 3))
    z[0, 0, 0] = math.nan
    found = scores(z, np.zeros(5, int), task="classification", own=Metric("mine", lambda y, p: p.sum()))
    assert math.isnan(found["mine"][0]) and found["mine"][1] == pytest.approx(5)


@pytest.mark.parametrize(
    "function", [lambda y, p: p, lambda y, p: "good", lambda y, p: "0.5", lambda y, p: y[99], lambda y: 0.0]
)
def test_a_metric_of_ones_own_that_fails_says_which_and_why(function):
    with pytest.raises(ValueError, match=r"^the metric mine must return one number for targets of shape \(5,\) and"):
        scores(np.zeros((5, 3)), np.zeros(5, int), task="classification", own=Metric("mine", function))


@pytest.mark.parametrize(
    ("name", "function", "sentence"),
    [
        ("accuracy", top_two, r'accuracy is what bridle calls .*: Metric\("my_accuracy", function\)'),
        ("loss", top_two, "loss is what bridle calls"),
        ("<lambda>", top_two, r"needs a name such as top_2_accuracy, got '<lambda>'; give Metric\(name, function\)"),
        (3, top_two, "needs a name"),
        ("mine", "accuracy", "the metric mine needs a function"),
    ],
)
def test_a_metric_of_ones_own_without_a_name_or_function_is_refused(name, function, sentence):
    with pytest.raises(ValueError, match=sentence):
        Metric(name, function)


def test_a_metric_is_found_by_its_name_by_default_or_as_a_function():
    assert resolve_metric(None, "classification") is METRICS["log_loss"]
    assert resolve_metric(" Balanced-Accuracy", "classification") is METRICS["balanced_accuracy"]
    assert resolve_metric(top_two, "classification") == Metric("top_two", top_two)
    own = Metric("mine", top_two, higher_is_better=False)
    assert resolve_metric(own, "regression") is own
    with pytest.raises(ValueError, match=r"no metric 'acuracy' for a classification; did you mean accuracy"):
        resolve_metric("acuracy", "classification")
    with pytest.raises(
        ValueError, match=r"'auroc' is for a classification, and this is a regression; choose one of r2"
    ):
        resolve_metric("auroc", "regression")
    wrong: Any = 3
    with pytest.raises(
        ValueError, match=r"a metric must be a name, a Metric or a function of \(y_true, prediction\), got 3"
    ):
        resolve_metric(wrong, "regression")
    with pytest.raises(ValueError, match="needs a name"):
        resolve_metric(lambda y, p: 0.0, "regression")


def test_a_unit_is_dead_if_it_never_changes_and_not_if_it_is_nan():
    low, high = np.array([0.0, -1.0, 0.3, math.nan]), np.array([0.0, 1.0, 0.3, math.nan])
    assert dead_units(low, high).tolist() == [True, False, True, False]


def test_a_histogram_is_symmetric_and_counts_every_finite_weight():
    w = np.array([[-3.0, 0.0, 1.0], [3.0, math.nan, math.inf]])
    histogram = weight_histogram(w)
    edges = np.array(histogram["edges"])
    assert edges == pytest.approx(-edges[::-1])
    assert (len(edges), edges[-1]) == (41, 3.0)
    assert (sum(histogram["counts"]), histogram["counts"][0], histogram["counts"][-1]) == (4, 1, 1)


@pytest.mark.parametrize("value", [0.0, 5e-324, 1.7e308, math.nan])
def test_a_histogram_survives_any_weight(value):
    histogram = weight_histogram(np.full((2, 2), value))
    assert np.isfinite(histogram["edges"]).all()
    assert sum(histogram["counts"]) == (0 if math.isnan(value) else 4)


def test_a_histogram_is_plain_numbers():
    histogram = weight_histogram(np.array([1.0, 2.0], dtype=np.float32))
    assert {type(edge) for edge in histogram["edges"]} == {float}
    assert {type(count) for count in histogram["counts"]} == {int}
