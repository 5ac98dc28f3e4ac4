"""Studies as `bridle compare` writes them, made up: nothing is trained, and every number can be chosen."""

import math
from collections.abc import Collection, Sequence
from random import Random
from typing import Any

from bridle.comparison.paired import Paired
from bridle.comparison.statistics import judge, measure, pair
from bridle.metric_info import DEFAULT_METRIC, METRICS, SHOWN_BESIDE, curve_metric, higher_is_better
from bridle.recipe import Recipe
from bridle.regularizers import CATALOG
from bridle.results import (
    Contender,
    LayerSummary,
    Reference,
    Run,
    Study,
    Summary,
    TrainingLength,
    Trial,
    Versus,
)

BASELINE = "none"
DROPOUT = "Dropout(rate=0.2)"
BATCH_NORM = "BatchNorm()"
DECAY = "WeightDecay(strength=0.1)"
SIX = (BASELINE, "L2(strength=0.0001)", DECAY, DROPOUT, BATCH_NORM, f"{DROPOUT} + {DECAY}")
EFFECTS = (0.0, 0.0004, 0.0011, 0.0078, -0.0052, 0.0093)
LAYERS = (("linear1", 128, 5.2), ("linear2", 64, 6.1), ("output", 10, 2.9))
ROWS = {"train": 1078, "valid": 359, "test": 360}
SHIFTS = {"train": 0.02, "valid": 0.0, "test": -0.003}
REFERENCES = {  # by the level of their scores
    "classification": {"majority class": 0.11, "linear model": 0.951, "gradient boosting": 0.962},
    "regression": {"mean": 0.5, "linear model": 0.958, "gradient boosting": 0.966},
}


def study(
    *,
    recipes: Sequence[str] = SIX,
    seeds: int = 5,
    task: str = "classification",
    epochs: int = 20,
    effects: Sequence[float] = EFFECTS,
    diverged: Collection[tuple[int, int]] = (),
    metric: str | None = None,
    rows: dict[str, int] | None = None,
    level: float = 0.968,
    spread: float = 1.0,
    margin: float | None = None,
    references: bool = True,
    lengths: Sequence[float] = (),
    trials: int = 0,
    **changes: Any,
) -> Study:
    """Return a study; ``diverged`` are pairs of a contender's number and a seed, ``changes`` fields of the study.

    ``level`` and ``effects`` are about accuracies or R²; ``lengths`` are how far a run was from its score at each
    length that was tried; with ``trials`` every contender has so many.
    """
    metric = metric or DEFAULT_METRIC[task]

    def trained(number: int, text: str, seed: int) -> Run:
        effect, failed = effects[number % len(effects)], (number, seed) in diverged
        own = Random(f"{text}/{seed}")
        at = level + effect + spread * (Random(seed).gauss(0, 0.003) + own.gauss(0, 0.0012))
        found = run(text, seed, at, effect, task=task, metric=metric, epochs=epochs, diverged=failed)
        found.lengths = tried_lengths(found.scores["valid"][metric], lengths, epochs, metric)
        return found

    runs = [[trained(number, text, seed) for seed in range(seeds)] for number, text in enumerate(recipes)]
    contenders = judged([contender(text, its, metric) for text, its in zip(recipes, runs, strict=True)], metric, margin)
    for each in contenders if trials else ():
        tune(each, trials, metric)
    fields: dict[str, Any] = {
        "data": data(task, rows or ROWS),
        "network": "mlp(128, 64)",
        "protocol": {
            "optimizer": "adam",
            "lr": 0.002,
            "schedule": "cosine",
            "batch_size": 64,
            "epochs": None if lengths else epochs,
            "precision": "float32",
            "restore_best": None,
            "metric": metric,
            "class_weight": None,
        },
        "seeds": list(range(seeds)),
        "contenders": contenders,
        "metric": metric,
        "engine": "torch",
        "made": {
            "bridle": "0.1.0",
            "python": "3.12.1",
            "versions": {"torch": "2.6.0", "numpy": "2.1.0"},
            "machine": "a processor, 2 cores, Linux",
            "date": "2026-01-02T03:04:05+00:00",
            "seconds": 41.7,
        },
        "references": [reference(name, at, task) for name, at in REFERENCES[task].items()] if references else [],
        "higher_is_better": higher_is_better(metric),
        "margin": margin,
        "splits": {"kind": "holdout", "seed": 0, "varies": False},
        "tuning": {"trials": trials, "folds": 3, "rungs": 2, "seeds": [1000, 1001, 1002]} if trials else {},
    }
    return Study(**{**fields, **changes})


def data(task: str, rows: dict[str, int]) -> dict[str, Any]:
    """Return what a study says of its data."""
    named = {"name": "digits", "task": task, "target": None, "rows": dict(rows)}
    classes = [str(digit) for digit in range(10)] if task == "classification" else []
    return {**named, "features": 64, "outputs": len(classes) or 1, "classes": classes, "fingerprint": "0123abcd"}


def run(
    recipe: str, seed: int, level: float, effect: float, *, task: str, metric: str, epochs: int, diverged: bool
) -> Run:
    """Return a run whose scores lie about a level; on the training rows the effect is not in it."""
    own = Random(f"{recipe}/{seed}/curves")
    scores = {
        split: scores_of(task, level + shift - (effect if split == "train" else 0)) for split, shift in SHIFTS.items()
    }
    if diverged:
        scores = {split: dict.fromkeys(metrics, math.nan) for split, metrics in scores.items()}
    return Run(
        recipe=recipe,
        seed=seed,
        scores=scores,
        curves=curves(scores, metric, epochs, own, 3 if diverged else None),
        layers=[layer(name, units, norm, recipe=recipe, random=own, diverged=diverged) for name, units, norm in LAYERS],
        seconds=0.4 + own.random() / 10,
        diverged_at=3 if diverged else None,
    )


def scores_of(task: str, level: float) -> dict[str, float]:
    """Return the scores that belong to a level of accuracy, or to a level of R² that is higher by a half."""
    if task == "regression":
        return {"r2": level - 0.5, "rmse": 80 * math.sqrt(1.5 - level), "mae": 60 * math.sqrt(1.5 - level)}
    wrong = max(1 - level, 0.002)
    return {
        "log_loss": 3.2 * wrong,
        "accuracy": min(level, 1.0),
        "balanced_accuracy": min(level, 1.0) - 0.002,
        "auroc": 1 - wrong / 8,
        "brier": 1.5 * wrong,
        "ece": max(wrong, 0.01) / 2,
    }


def reference(name: str, level: float, task: str) -> Reference:
    """Return a reference whose scores lie at a level."""
    values = scores_of(task, level)
    if name == "majority class":
        values["log_loss"] = math.log(10)  # of ten classes that are equally likely
    scores = {split: {metric: Summary.of([value]) for metric, value in values.items()} for split in SHIFTS}
    return Reference(name, f"a {name} fitted on the training rows", scores, seconds=0.2)


def tried_lengths(score: float, off: Sequence[float], epochs: int, metric: str) -> list[TrainingLength]:
    """Return lengths that double, each so far from the score; the last epoch is a little off the best one."""
    worse = -1 if higher_is_better(metric) else 1
    return [
        TrainingLength(epochs * 2**place, epochs * 2**place - 1, score + worse * far, score + worse * (far + 0.01))
        for place, far in enumerate(off)
    ]


def curves(
    scores: dict[str, dict[str, float]], metric: str, epochs: int, random: Random, diverged_at: int | None
) -> dict[str, list[float]]:
    """Return curves from poor to the final score, of one shape; nothing is finite from ``diverged_at`` on."""
    task = task_of(metric)

    def towards(first: float, last: float, epoch: int) -> float:
        value = last + (first - last) * 0.72 ** (epoch + 1) + random.gauss(0, 0.02) * abs(last) / (epoch + 2)
        return math.nan if diverged_at is not None and epoch >= diverged_at else value

    def path(first: float, last: float) -> list[float]:
        return [towards(first, last if math.isfinite(last) else first, epoch) for epoch in range(epochs)]

    def loss(split: str) -> float:
        found = scores[split]
        return found["log_loss"] if task == "classification" else 1 - found["r2"]

    watched = curve_metric(metric)
    found = {"epoch": [float(epoch + 1) for epoch in range(epochs)], "step_loss": path(2.4, loss("train"))}
    for split in ("train", "valid"):
        found[f"{split}_loss"] = path(2.3, loss(split))
        found[f"{split}_{watched}"] = path(0.1, scores[split][watched])
    return found


def layer(name: str, units: int, norm: float, *, recipe: str, random: Random, diverged: bool) -> LayerSummary:
    """Return the summary of a layer, with a histogram like that of normal weights."""
    scale = 0.4 if "WeightDecay" in recipe else 1.0
    edges = [scale * (-0.4 + 0.02 * place) for place in range(41)]
    counts = [1000 * math.exp(-0.5 * ((place - 19.5) / 7) ** 2) for place in range(40)]
    gammas = [random.gauss(1, 0.12) for _ in range(units)] if "BatchNorm" in recipe and name != "output" else None
    if diverged:
        return LayerSummary(name, units, 0, math.nan, {"edges": [], "counts": []}, gammas and [math.nan] * units)
    dead = random.randrange(4) if name == "linear1" else 0
    return LayerSummary(name, units, dead, scale * norm, {"edges": edges, "counts": counts}, gammas)


def contender(recipe: str, runs: list[Run], metric: str) -> Contender:
    """Return the contender that these runs make, not yet compared."""
    scores = {
        split: {name: Summary.of([each.scores[split][name] for each in runs]) for name in metrics}
        for split, metrics in runs[0].scores.items()
    }
    return Contender(
        recipe=Recipe.parse(recipe).to_json() if known(recipe) else [],
        name=recipe,
        scores=scores,
        gap=scores["train"][metric].mean - scores["valid"][metric].mean,
        dead_units=Summary.of([float(each.dead_units) for each in runs]).mean,
        seconds=Summary.of([each.seconds for each in runs]).mean,
        versus_baseline=None,
        runs=runs,
    )


def known(recipe: str) -> bool:
    """Return whether a text is a recipe; names that are there to break a page are none."""
    return recipe == BASELINE or recipe.split("(", maxsplit=1)[0] in CATALOG


def judged(contenders: list[Contender], metric: str, margin: float | None = None) -> list[Contender]:
    """Compare contenders with the first of them, as `bridle compare` does, and give them their verdicts together."""
    baseline, *others = contenders
    pairs = [(each, paired(each, baseline, metric, "valid", margin)) for each in others]
    compared = [(each, found) for each, found in pairs if found]
    for (each, _), versus in zip(compared, judge([found for _, found in compared]), strict=True):
        each.versus_baseline = versus
        beside = [(metric, "test"), *((SHOWN_BESIDE[task_of(metric)], split) for split in ("valid", "test"))]
        others_of = (paired(each, baseline, name, split) for name, split in beside if name != metric or split == "test")
        each.others = [measure(found) for found in others_of if found]
    return contenders


def task_of(metric: str) -> str:
    """Return the task that a metric is for."""
    return METRICS[metric].task if metric in METRICS else "classification"


def paired(
    contender: Contender, baseline: Contender, metric: str, split: str, margin: float | None = None
) -> Paired | None:
    """Pair a contender's runs with the baseline's."""
    return pair(
        contender.runs,
        baseline.runs,
        metric,
        split,
        higher_is_better=higher_is_better(metric),
        margin=margin,
        test_to_train=None,
        n_rows=None,
    )


def versus_of(contender: Contender) -> Versus:
    """Return the comparison of a contender that has one, as all but the baseline have."""
    assert contender.versus_baseline is not None
    return contender.versus_baseline


def tune(contender: Contender, trials: int, metric: str) -> None:
    """Give a contender the trials of its tuning: strengths over three powers of ten, three learning rates."""
    random, score = Random(contender.name), contender.scores["valid"][metric].mean
    contender.asked, contender.lr = contender.name, 0.002
    for place in range(trials):
        factor = 10 ** (-1.5 + 3 * place / max(1, trials - 1)) if place else 1.0
        lr = (0.002, 0.0006, 0.006)[place % 3]
        distance = 0.1 * abs(math.log10(factor)) + 0.05 * (place % 3 > 0) + random.gauss(0, 0.01) * (place > 0)
        worse = score + (-distance if higher_is_better(metric) else distance)
        scores = [worse - 0.02, worse] if place % 2 == 0 else [worse]
        contender.trials.append(Trial(scaled(contender.name, factor), lr, scores, epochs=20 * len(scores)))


def scaled(recipe: str, factor: float) -> str:
    """Return a recipe whose numbers are all multiplied."""
    plain = Recipe.parse(recipe).to_json()
    for each in plain:
        for knob, value in each.items():
            if isinstance(value, float) and knob in ("rate", "strength"):
                each[knob] = min(0.9, value * factor) if knob == "rate" else value * factor
    return str(Recipe.from_json(plain))
