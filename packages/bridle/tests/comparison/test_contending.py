"""What can be asked of a comparison, and the sentences for what cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridle import Data, compare
from bridle.comparison.contending import check_options, resolve_contenders, resolve_criterion
from bridle.comparison.margins import margin_asked
from bridle.metric_info import TASK_METRICS, Criterion
from bridle.metrics import Metric

POSSIBLE: dict[str, Any] = {"out": None, "progress": None, "tuned": None, "references": True, "keep_models": "best"}


def worst_row(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return the largest error."""
    return float(np.abs(y - prediction).max())


def test_the_default_is_log_loss_for_classes_and_r2_for_numbers() -> None:
    assert resolve_criterion(None, "classification") == (Criterion("log_loss", higher_is_better=False), None)
    assert resolve_criterion(None, "regression") == (Criterion("r2", higher_is_better=True), None)


@pytest.mark.parametrize("task", TASK_METRICS)
def test_every_metric_of_a_task_is_known_by_its_name(task: str) -> None:
    for name in TASK_METRICS[task]:
        assert resolve_criterion(name, task)[0].name == name


@pytest.mark.parametrize(
    ("written", "name"), [("log-loss", "log_loss"), ("AUROC", "auroc"), (" Accuracy ", "accuracy")]
)
def test_metrics_are_known_as_people_write_them(written: str, name: str) -> None:
    assert resolve_criterion(written, "classification")[0].name == name


@pytest.mark.parametrize(
    ("metric", "task", "words"),
    [
        ("rmse", "classification", "for a regression"),
        ("accuracy", "regression", "for a classification"),
        ("acuracy", "classification", "accuracy"),
        (3, "classification", "3"),
    ],
)
def test_what_is_no_metric_of_the_task_is_a_sentence(metric: Any, task: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        resolve_criterion(metric, task)


def test_a_function_is_a_metric_under_its_own_name_and_direction() -> None:
    criterion, own = resolve_criterion(worst_row, "regression")
    assert criterion == Criterion("worst_row", higher_is_better=True)
    assert own is not None and own.function is worst_row
    criterion, _ = resolve_criterion(Metric("worst_row", worst_row, higher_is_better=False), "regression")
    assert criterion == Criterion("worst_row", higher_is_better=False)


def test_a_function_cannot_take_the_name_of_a_metric_of_bridle() -> None:
    with pytest.raises(ValueError, match="give yours another name"):
        resolve_criterion(Metric("accuracy", worst_row), "classification")


@pytest.mark.parametrize(
    "changed",
    [
        {"tuned": 1},
        {"tuned": True},
        {"tuned": 2.5},
        {"keep_models": "some"},
        {"references": "no"},
        {"out": 3},
        {"progress": "bar"},
    ],
)
def test_options_that_cannot_be_meant_are_sentences(changed: dict[str, Any]) -> None:
    check_options(**POSSIBLE)
    (name,) = changed
    with pytest.raises(ValueError, match=f"compare: {name} must be"):
        check_options(**{**POSSIBLE, **changed})


def test_numbers_are_those_of_numpy_as_well_and_an_empty_metric_is_none_that_is_known() -> None:
    check_options(**{**POSSIBLE, "tuned": np.int64(2)})
    assert margin_asked(np.float64(0.5)) == 0.5
    data = Data([[0.0], [1.0]] * 20, [0, 1] * 20, [[0.0], [1.0]] * 9, [1, 0] * 9)
    with pytest.raises(ValueError, match="there is no metric ''"):
        compare(data, metric="")


def test_the_baseline_is_put_in_front_and_no_recipe_stands_twice() -> None:
    recipes, seeds = resolve_contenders(["Dropout(rate=0.2)", "none"], 2, "torch")
    assert [str(recipe) for recipe in recipes] == ["none", "Dropout(rate=0.2)"]
    assert list(seeds) == [0, 1]
    with pytest.raises(ValueError, match="asked for twice"):
        resolve_contenders(["L2", "L2(strength=0.0001)"], 2, "torch")
    with pytest.raises(ValueError, match="engine must be one of"):
        resolve_contenders(None, 2, "jax")
