"""Studies and runs as pandas ``DataFrame``s; nothing but these functions needs pandas, so results are read without."""

from __future__ import annotations

import math

import pandas as pd

from bridle.report.averaging import finite
from bridle.results import SPLITS, Contender, Run, Study

__all__ = ["run_frame", "study_frame", "trials_frame"]

TYPES = {"recipe": "str", "seed": "int64", "lr": "float64", "epochs": "int64", "best_epoch": "Int64"}
TRIAL_TYPES = {"asked": "str", "recipe": "str", "lr": "float64", "epochs": "int64", "rungs": "int64"}


def study_frame(study: Study) -> pd.DataFrame:
    """Return one row per run; ``Study.to_frame`` says which columns."""
    rows = [run_row(study, contender, run) for contender in study.contenders for run in contender.runs]
    measured = study.baseline.scores
    scores = [f"{split}_{metric}" for split in SPLITS for metric in measured.get(split, ())]
    frame = pd.DataFrame(rows, columns=[*TYPES, "seconds", *scores])
    return frame.astype({**TYPES, **dict.fromkeys(["seconds", *scores], "float64")})


def run_row(study: Study, contender: Contender, run: Run) -> dict[str, object]:
    """Return a run's row: how it was trained, and its scores."""
    rates = (run.lr, contender.lr, study.protocol.get("lr"))
    return {
        "recipe": contender.name,
        "seed": run.seed,
        "lr": next((rate for rate in rates if rate is not None), None),
        "epochs": run.epochs,
        "best_epoch": run.best_epoch,
        "seconds": run.seconds,
        **{f"{split}_{metric}": value for split, its in run.scores.items() for metric, value in its.items()},
    }


def trials_frame(study: Study) -> pd.DataFrame:
    """Return one row per trial; ``Study.trials_frame`` says which columns."""
    best = max if study.higher_is_better else min
    rows = [
        {
            "asked": contender.asked,
            "recipe": trial.recipe,
            "lr": trial.lr,
            "epochs": trial.epochs,
            "rungs": len(trial.scores),
            "score": best(finite(trial.scores), default=math.nan),
            "chosen": (trial.recipe, trial.lr) == (contender.name, contender.lr),
        }
        for contender in study.contenders
        for trial in contender.trials
    ]
    frame = pd.DataFrame(rows, columns=[*TRIAL_TYPES, "score", "chosen"])
    return frame.astype({**TRIAL_TYPES, "score": "float64", "chosen": "bool"})


def run_frame(run: Run) -> pd.DataFrame:
    """Return one row per epoch, and a column for each curve, "epoch" the first."""
    others = [name for name in run.curves if name != "epoch"]
    frame = pd.DataFrame({name: run.curves[name] for name in ("epoch", *others) if name in run.curves})
    return frame.astype({"epoch": "int64"}) if "epoch" in frame else frame
