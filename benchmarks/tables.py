"""Whether comparing is worth it: the tuned winner against what people have, over a folder of tables.

``python benchmarks/tables.py FOLDER`` takes a folder with ``tables.json`` (for each name: file, task, categorical
columns) and its tables, each with a column ``target``. Every table is split several times; on each split bridle
compares its default contenders, as they are and tuned, and the tuned winner by validation score is set against a
constant, a linear model, scikit-learn's perceptron and bridle's own baseline, both with early stopping,
HistGradientBoosting and LightGBM at their defaults, by the log-loss or RMSE of the test rows. A folder is kept for
each split, so that an interrupted measurement goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.neural_network import MLPClassifier, MLPRegressor

import bridle
from bridle import CATALOG, metrics
from bridle.comparison.provenance import provenance
from bridle.comparison.references import CONSTANT
from bridle.knobs import knobs
from bridle.results import Contender, Reference, Study
from bridle_audit.atomic_files import write_whole

JUDGED_BY = {"classification": "log_loss", "regression": "rmse"}
BASELINE, WINNER, LIGHTGBM = "none, early stopping", "tuned winner", "LightGBM"
SCIKIT_MLP = "MLP, early stopping"  # of scikit-learn


@dataclass(frozen=True)
class Outcome:
    """The test scores of one table on one split, and what won."""

    table: str
    split: int
    winner: str
    lr: float | None
    scores: dict[str, float]  # by method, lower is better
    defaults: dict[str, float]  # of the default contenders, untuned
    chosen: dict[str, dict[str, float]]  # of each contender as it was asked for, the strengths and learning rate found
    seconds: float


def main() -> int:
    """Measure what is asked; print and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", default="", help="names with commas; all by default")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--studies", type=Path, default=Path("tables-study"), help="folder for the studies")
    parser.add_argument("--out", type=Path, default=None, help="file for the results, JSON")
    asked = parser.parse_args()
    known = json.loads((asked.folder / "tables.json").read_text(encoding="utf-8"))
    names = asked.tables.split(",") if asked.tables else list(known)
    outcomes = []
    for name in names:
        for split in range(asked.splits):
            data = load(asked.folder, name, known[name], split)
            outcomes.append(measure(data, name, split, asked))
            print(json.dumps(asdict(outcomes[-1])), flush=True)
            if asked.out:
                save(asked.out, outcomes, asked)
    print(summary(outcomes))
    return 0


def load(folder: Path, name: str, about: Mapping[str, Any], split: int) -> bridle.Data:
    """Load a table under one of its splits."""
    splits = bridle.Splits("holdout", seed=split)
    return bridle.load(
        folder / about["file"], "target", categorical=about["categorical"], task=about["task"], splits=splits
    )


def measure(data: bridle.Data, name: str, split: int, asked: argparse.Namespace) -> Outcome:
    """Compare on one split: the defaults as they are, and tuned."""
    folder = asked.studies / f"{name}-{split}"
    usual = bridle.compare(data, seeds=asked.seeds, out=folder, keep_models="none")
    tuned = bridle.compare(
        data, seeds=asked.seeds, tuned=asked.trials, out=folder, keep_models="none", references=False
    )
    judge = JUDGED_BY[data.task]
    scores = {method_name(each): test_score(each.scores, judge) for each in usual.references if "test" in each.scores}
    scores[BASELINE] = test_score(usual.baseline.scores, judge)
    scores[LIGHTGBM], scores[SCIKIT_MLP] = light_gbm(data), scikit_mlp(data)
    scores[WINNER] = test_score(tuned.best.scores, judge)
    defaults = {each.name: test_score(each.scores, judge) for each in usual.contenders}
    chosen = {each.asked: strengths(each) for each in tuned.contenders}
    took = seconds(usual) + seconds(tuned)
    return Outcome(name, split, tuned.best.name, tuned.best.lr, scores, defaults, chosen, took)


def strengths(contender: Contender) -> dict[str, float]:
    """Return the numbers that tuning chose for a contender: its knobs, by regularizer, and the learning rate."""
    found = {
        f"{unit['name']} {knob.name}": float(unit[knob.name])
        for unit in contender.recipe
        for knob in knobs(CATALOG[unit["name"]])
        if knob.is_number and knob.off is not None
    }
    return {**found, "lr": float(contender.lr or 0.0)}


def method_name(reference: Reference) -> str:
    """Return a reference's name, the same for both tasks."""
    return "constant" if reference.name in CONSTANT.values() else reference.name


def test_score(scores: Mapping[str, Mapping[str, Any]], metric: str) -> float:
    """Return the mean of a metric on the test rows."""
    return float(scores["test"][metric].mean)


def seconds(study: Study) -> float:
    """Return how long a study took."""
    return float(study.made["seconds"])


def light_gbm(data: bridle.Data) -> float:
    """Return the test score of LightGBM at its defaults, on the same features."""
    from lightgbm import LGBMClassifier, LGBMRegressor  # noqa: PLC0415  (a rival that is installed for this alone)

    return rival_score((LGBMClassifier if data.task == "classification" else LGBMRegressor)(verbose=-1), data)


def scikit_mlp(data: bridle.Data) -> float:
    """Return the test score of scikit-learn's perceptron with early stopping, else at its defaults."""
    kind = MLPClassifier if data.task == "classification" else MLPRegressor
    return rival_score(kind(early_stopping=True, max_iter=1000), data)


def rival_score(model: Any, data: bridle.Data) -> float:
    """Fit a rival on the training rows, a regression on standardized targets, and measure it on the test rows."""
    model.set_params(random_state=0)
    mean, spread = data.target_scale
    model.fit(data.x_train, data.y_train if data.task == "classification" else (data.y_train - mean) / spread)
    if data.x_test is None or data.y_test is None:
        raise SystemExit("there are no test rows")
    if data.task == "classification":
        z = np.log(np.clip(model.predict_proba(data.x_test), np.finfo(np.float64).eps, 1))
    else:
        z = np.asarray(model.predict(data.x_test))[:, None]
    found = metrics.scores(z, data.y_test, task=data.task, target_scale=data.target_scale)
    return float(found[JUDGED_BY[data.task]])


def save(path: Path, outcomes: list[Outcome], asked: argparse.Namespace) -> None:
    """Write what was found so far, with where and how."""
    how = {"trials": asked.trials, "seeds": asked.seeds, "splits": asked.splits}
    found = {"made": provenance(), "how": how, "outcomes": [asdict(each) for each in outcomes]}
    write_whole(path, json.dumps(found, indent=1, allow_nan=False) + "\n")


def summary(outcomes: list[Outcome]) -> str:
    """Return a table of mean scores and ranks, and which default contenders are worse than the constant."""
    return "\n".join(summary_lines(outcomes))


def summary_lines(outcomes: list[Outcome]) -> Iterator[str]:
    """Yield the lines of the summary."""
    names = list(dict.fromkeys(each.table for each in outcomes))
    means = {name: mean_scores([each.scores for each in outcomes if each.table == name]) for name in names}
    constants = {name: next(iter(its.values())) for name, its in means.items()}
    yield f"{'table':20s} " + " ".join(f"{method[:12]:>12s}" for method in means[names[0]])
    for name, its in means.items():
        yield f"{name:20s} " + " ".join(f"{value:12.4g}" for value in its.values())
    yield rank_line("mean rank of all", means)
    for rival in (SCIKIT_MLP, BASELINE):
        others = {name: {key: its[key] for key in its if key != rival} for name, its in means.items()}
        yield rank_line(f"without {rival}", others)
    for name in names:
        defaults = mean_scores([each.defaults for each in outcomes if each.table == name])
        worse = [f"{recipe} {value:.4g}" for recipe, value in defaults.items() if value > constants[name]]
        if worse:
            yield f"worse than the constant ({constants[name]:.4g}) on {name}: {', '.join(worse)}"
    yield "tuned strengths and learning rates, quartiles over tables and splits:"
    yield from strength_lines(outcomes)


def rank_line(what: str, means: dict[str, dict[str, float]]) -> str:
    """Return the mean ranks of the methods over the tables, the lower the better."""
    ranks = np.mean([rankdata(list(its.values())) for its in means.values()], axis=0)
    methods = next(iter(means.values()))
    return f"{what}: " + ", ".join(f"{name} {rank:.2f}" for name, rank in zip(methods, ranks, strict=True))


def strength_lines(outcomes: list[Outcome]) -> Iterator[str]:
    """Yield the quartiles, over tables and splits, of every strength and learning rate that tuning chose."""
    for asked in outcomes[0].chosen:
        values = [each.chosen[asked] for each in outcomes if asked in each.chosen]
        for number in values[0]:
            low, middle, high = np.quantile([each[number] for each in values], (0.25, 0.5, 0.75))
            yield f"{asked}: {number} {low:.2g} {middle:.2g} {high:.2g}"


def mean_scores(scores: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean over the splits, by method."""
    return {method: math.fsum(each[method] for each in scores) / len(scores) for method in scores[0]}


if __name__ == "__main__":
    sys.exit(main())
