"""References that need no tuning, on the same splits: a constant answer, a linear model, gradient boosting.

scikit-learn's own, at their defaults, on the features that the networks get. They say whether a difference between
recipes matters at all: a network below the constant answer has learnt nothing that can be used.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from bridle import metrics
from bridle.data import Data
from bridle.errors import InputError
from bridle.metrics import Metric
from bridle.results import Contender, Reference, Summary
from bridle_audit.wording import counted

__all__ = ["CONSTANT", "Fitted", "early_stopping_reference", "fit_references"]

CONSTANT = {"classification": "majority class", "regression": "mean"}
LINEAR, BOOSTING, UNSTOPPED = "linear model", "gradient boosting", "without early stopping"
SURE = np.finfo(np.float64).eps  # probabilities of 0 are taken for this, as scikit-learn's log_loss does


class Method(NamedTuple):
    """One method by task, and the numbers (rows times features times outputs) that it may be fitted on."""

    name: dict[str, str]
    make: dict[str, Callable[[], Any]]
    description: dict[str, str]
    most: float


# The limits keep each fit below some twenty seconds on two cores; beyond them, fewer training rows are taken.
METHODS = (
    Method(
        CONSTANT,
        {"classification": lambda: DummyClassifier(strategy="prior"), "regression": DummyRegressor},
        {
            "classification": "the shares of the classes among the training rows, whatever the features",
            "regression": "the mean of the training rows, whatever the features",
        },
        np.inf,
    ),
    Method(
        dict.fromkeys(CONSTANT, LINEAR),
        {"classification": lambda: LogisticRegression(max_iter=300), "regression": Ridge},
        {
            "classification": "scikit-learn's LogisticRegression, L2 penalty with C = 1",
            "regression": "scikit-learn's Ridge with alpha = 1",
        },
        4e8,
    ),
    Method(
        dict.fromkeys(CONSTANT, BOOSTING),
        {
            "classification": lambda: HistGradientBoostingClassifier(random_state=0),
            "regression": lambda: HistGradientBoostingRegressor(random_state=0),
        },
        dict.fromkeys(CONSTANT, "scikit-learn's HistGradientBoosting at its defaults"),
        4e7,
    ),
)


class Fitted(NamedTuple):
    """The references of a study, and a sentence for each that could not be had."""

    references: Sequence[Reference] = ()
    left_out: Sequence[str] = ()


def fit_references(repeats: Sequence[Data], class_weight: str | None, own_metric: Metric | None) -> Fitted:
    """Fit every method on each repeat of the data, and measure it on all splits.

    One that cannot be fitted or measured is left out: the contenders are trained by then, and need it for nothing.
    """
    found, left_out = [], []
    for method in METHODS:
        try:
            found.append(fit_method(method, repeats, class_weight, own_metric))
        except ValueError as error:  # of scikit-learn, such as a class too rare for its own split, or of the metric
            name, said = method.name[repeats[0].task], str(error).split("\n")[0].rstrip(".")
            left_out.append(f"The reference {name!r} is left out, as it could not be fitted and measured: {said}.")
    return Fitted(found, left_out)


def early_stopping_reference(baseline: Contender, metric: str) -> list[Reference]:
    """Return what the baseline would have without early stopping: its score after the last epoch of the longest try."""
    values = [run.lengths[-1].last_score for run in baseline.runs if run.lengths]
    if not values or not any(map(math.isfinite, values)):
        return []
    description = (
        "the baseline's last epoch of the longest length that was tried: what early stopping gains is the rest"
    )
    return [Reference(UNSTOPPED, description, {"valid": {metric: Summary.of(values)}}, 0.0)]


def fit_method(
    method: Method, repeats: Sequence[Data], class_weight: str | None, own_metric: Metric | None
) -> Reference:
    """Fit one method on each repeat."""
    started = time.perf_counter()
    task = repeats[0].task
    found = [fitted_scores(method, data, class_weight, own_metric) for data in repeats]
    scores = {
        split: {name: Summary.of([each[split][name] for each in found]) for name in its}
        for split, its in found[0].items()
    }
    seconds = (time.perf_counter() - started) / len(repeats)
    return Reference(method.name[task], describe(method, repeats[0]), scores, seconds)


def describe(method: Method, data: Data) -> str:
    """Say what was fitted, and on how many rows where these are not all."""
    rows, all_rows = rows_taken(method, data), len(data.x_train)
    words = method.description[data.task]
    return words if rows == all_rows else f"{words}, on {rows:,} of {counted('training row', all_rows)}"


def rows_taken(method: Method, data: Data) -> int:
    """Return how many training rows a method is fitted on."""
    return int(min(len(data.x_train), max(1000, method.most // (data.n_inputs * data.n_outputs))))


def fitted_scores(
    method: Method, data: Data, class_weight: str | None, own_metric: Metric | None
) -> dict[str, dict[str, float]]:
    """Fit a method on the training rows; return its scores by split and metric."""
    model = method.make[data.task]()
    if class_weight and "class_weight" in model.get_params():
        model.set_params(class_weight=class_weight)
    # Rows are in the order of the file, which may be sorted: fewer are drawn at random, always the same.
    rows = np.sort(np.random.default_rng(0).permutation(len(data.x_train))[: rows_taken(method, data)])
    weights, y = None if data.w_train is None else data.w_train[rows], data.y_train[rows]
    if method.name is not CONSTANT and (y == y[0]).all():
        raise InputError(f"{counted('training row', len(rows))} that it gets all have the same target")
    model.fit(flat(data.x_train)[rows], y, sample_weight=weights)
    return {
        split: {
            name: float(score)
            for name, score in metrics.scores(
                outputs(model, flat(x), data), y, task=data.task, target_scale=data.target_scale, own=own_metric
            ).items()
        }
        for split, (x, y) in data.splits().items()
    }


def outputs(model: Any, x: np.ndarray, data: Data) -> np.ndarray:
    """Predict rows as a network's outputs: logits (rows, classes), or the standardized target (rows, 1)."""
    if data.task == "regression":
        mean, spread = data.target_scale
        predicted: np.ndarray = model.predict(x).astype(np.float64)
        return (predicted[:, None] - mean) / spread
    probabilities = np.zeros((len(x), data.n_outputs))
    probabilities[:, model.classes_] = model.predict_proba(x)  # a class may be absent among the rows taken
    logits: np.ndarray = np.log(np.clip(probabilities, SURE, 1.0))
    return logits


def flat(x: np.ndarray) -> np.ndarray:
    """Return rows (rows, ...) as (rows, features)."""
    return x.reshape(len(x), -1)
