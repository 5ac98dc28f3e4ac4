"""Scores against scikit-learn and by hand; what is not finite stays where it is."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score

from bridle.metrics import calibration_error, dead_units, scores, weight_histogram

ROWS = 200


def softmax(z):
    shares = np.exp(z - z.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def logits(random):
    return random.normal(size=(2, 3, ROWS, 4)) * 3, random.integers(0, 4, ROWS)


def test_classification_scores_are_those_of_scikit_learn(logits):
    z, y = logits
    found = scores(z, y, task="classification")
    for index in np.ndindex(2, 3):
        assert found["accuracy"][index] == accuracy_score(y, z[index].argmax(1))
        assert found["loss"][index] == pytest.approx(log_loss(y, softmax(z[index])), rel=1e-9)


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
    assert scores(z, y, task="classification")["calibration_error"][0, 0] == pytest.approx(expected, abs=1e-12)


def test_calibration_error_is_zero_for_the_honest_and_large_for_the_boastful():
    half_right = np.array([True, False])
    assert calibration_error(np.array([0.5, 0.5]), half_right) == 0
    assert calibration_error(np.array([1.0, 1.0]), half_right) == 0.5


def test_huge_logits_do_not_overflow():
    found = scores(np.array([[1e4, -1e4], [1e4, -1e4]], dtype=np.float32), np.array([0, 1]), task="classification")
    assert {name: each.item() for name, each in found.items()} == {
        "accuracy": 0.5,
        "loss": 1e4,
        "calibration_error": 0.5,
    }


def test_regression_scores_are_those_of_scikit_learn_in_the_targets_own_units(random):
    y = random.normal(50.0, 20.0, ROWS)
    z = (y - 48.0)[:, None] / 18.0 + random.normal(size=(3, ROWS, 1)) * 0.3
    found = scores(z, y, task="regression", target_scale=(48.0, 18.0))
    for number in range(3):
        predicted = z[number, :, 0] * 18.0 + 48.0
        assert found["r2"][number] == pytest.approx(r2_score(y, predicted), rel=1e-12)
        assert found["rmse"][number] == pytest.approx(math.sqrt(mean_squared_error(y, predicted)), rel=1e-12)
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
    assert found["loss"] == math.inf and found["r2"] == -math.inf


def test_float32_outputs_score_as_float64_ones_do(logits):
    z, y = logits
    narrow = z.astype(np.float32)
    for metric, found in scores(narrow, y, task="classification").items():
        assert (found == scores(narrow.astype(np.float64), y, task="classification")[metric]).all()


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
