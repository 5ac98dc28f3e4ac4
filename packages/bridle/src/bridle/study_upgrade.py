"""Studies in older versions of the format, rewritten in the newest, so that they stay readable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["upgraded"]

# Version 1 called the cross-entropy of a classification "loss", as the curves do, and ECE "calibration_error".
RENAMED = {"loss": "log_loss", "calibration_error": "ece"}
VERDICTS = {"no difference shown": "cannot tell yet"}
HIGHER_IS_BETTER = {"accuracy": True, "r2": True}


def upgraded(study: dict[str, Any]) -> dict[str, Any]:
    """Return a study of version 1 in version 2; what does not fit version 1 is left for the reader to name."""
    data = study.get("data")
    if not (isinstance(data, dict) and data.get("task") == "classification"):
        names: Mapping[str, str] = {}
    else:
        names = RENAMED
    contenders = study.get("contenders")
    if isinstance(contenders, list):
        contenders = [upgraded_contender(each, names) for each in contenders]
    metric = study.get("metric")
    return {
        **study,
        "version": 2,
        "contenders": contenders,
        "metric": names.get(metric, metric) if isinstance(metric, str) else metric,
        "higher_is_better": HIGHER_IS_BETTER.get(str(metric), False),
        "splits": {"kind": "holdout", "seed": 0, "varies": False},
    }


def upgraded_contender(contender: Any, names: Mapping[str, str]) -> Any:
    """Return a contender with the newer names of metrics and verdicts."""
    if not isinstance(contender, dict):
        return contender
    runs, versus = contender.get("runs"), contender.get("versus_baseline")
    if isinstance(runs, list):
        runs = [{**run, "scores": renamed(run.get("scores"), names)} if isinstance(run, dict) else run for run in runs]
    if isinstance(versus, dict):
        verdict = versus.get("verdict")
        versus = {**versus, "verdict": VERDICTS.get(verdict, verdict) if isinstance(verdict, str) else verdict}
    return {
        **contender,
        "scores": renamed(contender.get("scores"), names),
        "runs": runs,
        "versus_baseline": versus,
    }


def renamed(scores: Any, names: Mapping[str, str]) -> Any:
    """Return scores by split and metric with the newer names."""
    if not isinstance(scores, dict):
        return scores
    return {
        split: {names.get(name, name): value for name, value in its.items()} if isinstance(its, dict) else its
        for split, its in scores.items()
    }
