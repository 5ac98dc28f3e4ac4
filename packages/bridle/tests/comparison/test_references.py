"""The references: scikit-learn's own, on the same splits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, root_mean_squared_error

from bridle import Data
from bridle.comparison import references
from bridle.comparison.references import early_stopping_reference, fit_references
from bridle.metric_info import TASK_METRICS
from bridle.metrics import Metric
from bridle.results import Contender, Run, TrainingLength


def labelled(rows: int = 300, classes: int = 3, seed: int = 0) -> Data:
    """Return data of some classes that the features tell apart, but not well."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    y = np.clip(np.round(x[:, 0] + random.normal(size=rows) + classes / 2), 0, classes - 1).astype(int)
    y[:classes] = range(classes)
    return Data(x[:200], y[:200], x[200:250], y[200:250], x[250:], y[250:])


def measured(seed: int = 0) -> Data:
    """Return data with a number to predict."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(300, 4))
    y = 100 + 7 * (x[:, 0] + x[:, 1] ** 2) + random.normal(size=300)
    return Data(x[:200], y[:200], x[200:250], y[200:250], x[250:], y[250:], task="regression")


def test_classes_have_three_references_with_every_metric_on_every_split() -> None:
    found = fit_references([labelled()], None, None).references
    assert [each.name for each in found] == ["majority class", "linear model", "gradient boosting"]
    for each in found:
        assert set(each.scores) == {"train", "valid", "test"}
        assert all(set(its) == set(TASK_METRICS["classification"]) for its in each.scores.values())


def test_their_scores_are_those_of_scikit_learn() -> None:
    data = labelled()
    found = fit_references([data], None, None).references
    constant, linear, boosting = (each.scores["test"]["log_loss"].mean for each in found)
    shares = np.bincount(data.y_train) / len(data.y_train)
    assert data.y_test is not None
    assert constant == pytest.approx(-np.log(shares[data.y_test]).mean())
    for model, score in (
        (LogisticRegression(max_iter=300), linear),
        (HistGradientBoostingClassifier(random_state=0), boosting),
    ):
        model.fit(data.x_train, data.y_train)
        assert score == pytest.approx(log_loss(data.y_test, model.predict_proba(data.x_test), labels=[0, 1, 2]))


def test_numbers_are_predicted_in_their_own_units() -> None:
    data = measured()
    mean, _, boosting = fit_references([data], None, None).references
    assert data.y_test is not None
    assert mean.name == "mean"
    constant = np.full(len(data.y_test), data.y_train.mean())
    assert mean.scores["test"]["rmse"].mean == pytest.approx(root_mean_squared_error(data.y_test, constant), rel=1e-5)
    predicted = HistGradientBoostingRegressor(random_state=0).fit(data.x_train, data.y_train).predict(data.x_test)
    assert boosting.scores["test"]["rmse"].mean == pytest.approx(
        root_mean_squared_error(data.y_test, predicted), rel=1e-5
    )


def test_several_splits_give_one_value_each() -> None:
    found = fit_references([labelled(seed=0), labelled(seed=1)], None, None).references
    alone = fit_references([labelled(seed=1)], None, None).references
    for both, one in zip(found, alone, strict=True):
        assert both.scores["valid"]["log_loss"].values[1] == one.scores["valid"]["log_loss"].mean


def test_class_weights_are_passed_on() -> None:
    plain, weighed = (fit_references([labelled()], weight, None).references[1] for weight in (None, "balanced"))
    assert plain.scores["train"]["balanced_accuracy"].mean < weighed.scores["train"]["balanced_accuracy"].mean


def test_where_rows_are_too_many_fewer_are_taken_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(method._replace(most=1.0) for method in references.METHODS)
    monkeypatch.setattr(references, "METHODS", few)
    random = np.random.default_rng(0)
    x = random.normal(size=(1500, 2))
    data = Data(x, x[:, 0] > 0, x[:50] + 5, x[:50, 0] > 0)
    linear = fit_references([data], None, None).references[1]
    assert linear.description.endswith("on 1,000 of 1500 training rows")


def test_a_class_of_one_row_leaves_out_what_cannot_be_fitted_and_says_so() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(10_020, 2)), np.arange(10_020) % 2
    y[7] = 2  # from 10,000 rows on gradient boosting splits them by class to stop early
    found, left_out = fit_references([Data(x, y, x[:20] + 5, y[20:40])], None, None)
    assert [each.name for each in found] == ["majority class", "linear model"]
    (said,) = left_out
    assert said.startswith("The reference 'gradient boosting' is left out, as it could not be fitted and measured: ")
    assert "1 member" in said


def test_where_all_rows_that_are_taken_have_one_class_the_constant_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(method._replace(most=1.0) for method in references.METHODS)
    monkeypatch.setattr(references, "METHODS", few)
    x, y = np.random.default_rng(0).normal(size=(1500, 2)), np.zeros(1500, int)
    y[np.random.default_rng(0).permutation(1500)[-1]] = 1  # the last row to be drawn
    found, left_out = fit_references([Data(x, y, x[:20] + 5, y[:20])], None, None)
    assert found[0].name == "majority class" and math.isfinite(found[0].scores["valid"]["log_loss"].mean)
    assert len(found) == 1
    assert ["1000 training rows that it gets all have the same target" in each for each in left_out] == [True, True]


def test_a_metric_that_fails_on_a_reference_leaves_that_one_out() -> None:
    def no_constants(y: np.ndarray, prediction: np.ndarray) -> float:
        if np.ptp(prediction[:, 0]) == 0:
            raise ZeroDivisionError("no spread")
        return float(prediction[:, 0].mean())

    found, left_out = fit_references([labelled()], None, Metric.of(no_constants))
    assert [each.name for each in found] == ["linear model", "gradient boosting"]
    assert len(left_out) == 1 and "'majority class'" in left_out[0] and "no spread" in left_out[0]


@pytest.mark.parametrize("rows", [2, 10])
def test_a_few_rows_are_enough(rows: int) -> None:
    x = np.random.default_rng(0).normal(size=(rows + 4, 3))
    y = np.arange(rows + 4)
    for target in (y % 2, y + 0.5):
        found, left_out = fit_references([Data(x[:rows], target[:rows], x[rows:], target[rows:])], None, None)
        assert len(found) == 3 and not left_out
        assert all(math.isfinite(score.mean) for each in found for score in each.scores["valid"].values())


def test_what_early_stopping_gains_is_the_last_epoch_of_the_longest_try() -> None:
    lengths = [TrainingLength(10, 6, 0.5, 0.6), TrainingLength(20, 7, 0.52, 0.9)]
    runs = [Run("none", 0, {}, {}, [], 0.0, lengths=lengths), Run("none", 1, {}, {}, [], 0.0, lengths=lengths[:1])]
    baseline = Contender([], "none", {}, 0.0, 0.0, 0.0, None, runs)
    (found,) = early_stopping_reference(baseline, "log_loss")
    assert found.scores["valid"]["log_loss"].values == [0.9, 0.6]
    assert math.isclose(found.scores["valid"]["log_loss"].mean, 0.75)


def test_without_early_stopping_there_is_nothing_that_it_gains() -> None:
    baseline = Contender([], "none", {}, 0.0, 0.0, 0.0, None, [Run("none", 0, {}, {}, [], 0.0)])
    assert early_stopping_reference(baseline, "log_loss") == []
