"""Studies as `bridle compare` writes them, made up: nothing is trained, and every number can be chosen."""

import math
from collections.abc import Collection, Sequence
from random import Random
from typing import Any

from bridle.results import MAIN_METRIC, Contender, LayerSummary, Run, Study, Summary, Versus

BASELINE = "none"
DROPOUT = "Dropout(rate=0.2)"
BATCH_NORM = "BatchNorm()"
DECAY = "WeightDecay(strength=0.1)"
SIX = (BASELINE, "L2(strength=0.0001)", DECAY, DROPOUT, BATCH_NORM, f"{DROPOUT} + {DECAY}")
EFFECTS = (0.0, 0.0004, 0.0011, 0.0078, -0.0052, 0.0093)
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571}  # the 97.5 % points, by the number of seeds
LAYERS = (("linear1", 128, 5.2), ("linear2", 64, 6.1), ("output", 10, 2.9))
SPLITS = (("train", 0.02, 1078), ("valid", 0.0, 359), ("test", -0.003, 360))


def study(
    *,
    recipes: Sequence[str] = SIX,
    seeds: int = 5,
    task: str = "classification",
    epochs: int = 20,
    effects: Sequence[float] = EFFECTS,
    diverged: Collection[tuple[int, int]] = (),
    **changes: Any,
) -> Study:
    """Return a study; ``diverged`` are pairs of a contender's number and a seed, ``changes`` fields of the study."""
    metric = MAIN_METRIC[task]

    def trained(number: int, text: str, seed: int) -> Run:
        effect, failed = effects[number % len(effects)], (number, seed) in diverged
        return run(text, seed, effect, metric=metric, epochs=epochs, diverged=failed)

    runs = [[trained(number, text, seed) for seed in range(seeds)] for number, text in enumerate(recipes)]
    fields: dict[str, Any] = {
        "data": data(task),
        "network": "mlp(128, 64)",
        "protocol": {"optimizer": "adam", "lr": 0.002, "schedule": "cosine", "batch_size": 64, "epochs": epochs},
        "seeds": list(range(seeds)),
        "contenders": [contender(text, its, runs[0], metric) for text, its in zip(recipes, runs, strict=True)],
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
    }
    return Study(**{**fields, **changes})


def data(task: str) -> dict[str, Any]:
    """Return what a study says of its data."""
    named = {"name": "digits", "task": task, "target": None, "rows": {split: rows for split, _, rows in SPLITS}}
    classes = [str(digit) for digit in range(10)] if task == "classification" else []
    return {**named, "features": 64, "outputs": len(classes) or 1, "classes": classes, "fingerprint": "0123abcd"}


def run(recipe: str, seed: int, effect: float, *, metric: str, epochs: int, diverged: bool) -> Run:
    """Return a run whose scores lie about a level that the effect moves."""
    shared, own = Random(seed), Random(f"{recipe}/{seed}")
    level = 0.968 + effect + shared.gauss(0, 0.003) + own.gauss(0, 0.0012)
    scores = {
        split: scores_of(metric, level + shift - (effect if split == "train" else 0)) for split, shift, _ in SPLITS
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


def scores_of(metric: str, level: float) -> dict[str, float]:
    """Return the scores that belong to a level of the main metric."""
    if metric == "r2":
        return {"r2": level - 0.5, "rmse": 80 * math.sqrt(1.5 - level), "loss": 1.5 - level}
    return {
        "accuracy": min(level, 1.0),
        "loss": 3.2 * max(1 - level, 0.002),
        "calibration_error": max(1 - level, 0.01) / 2,
    }


def curves(
    scores: dict[str, dict[str, float]], metric: str, epochs: int, random: Random, diverged_at: int | None
) -> dict[str, list[float]]:
    """Return curves from poor to the final score, of one shape; nothing is finite from ``diverged_at`` on."""

    def towards(first: float, last: float, epoch: int) -> float:
        value = last + (first - last) * 0.72 ** (epoch + 1) + random.gauss(0, 0.02) * abs(last) / (epoch + 2)
        return math.nan if diverged_at is not None and epoch >= diverged_at else value

    def path(first: float, last: float) -> list[float]:
        return [towards(first, last if math.isfinite(last) else first, epoch) for epoch in range(epochs)]

    found = {"epoch": [float(epoch) for epoch in range(epochs)], "step_loss": path(2.4, scores["train"]["loss"])}
    for split in ("train", "valid"):
        found[f"{split}_loss"] = path(2.3, scores[split]["loss"])
        found[f"{split}_{metric}"] = path(0.1, scores[split][metric])
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


def contender(recipe: str, runs: list[Run], baseline: list[Run], metric: str) -> Contender:
    """Return the contender that these runs make, beside those of the baseline."""
    scores = {
        split: {name: Summary.of([each.scores[split][name] for each in runs]) for name in metrics}
        for split, metrics in runs[0].scores.items()
    }
    return Contender(
        recipe=[],
        name=recipe,
        scores=scores,
        gap=scores["train"][metric].mean - scores["valid"][metric].mean,
        dead_units=Summary.of([float(each.dead_units) for each in runs]).mean,
        seconds=Summary.of([each.seconds for each in runs]).mean,
        versus_baseline=None if runs is baseline else versus(runs, baseline, metric),
        runs=runs,
    )


def versus_of(contender: Contender) -> Versus:
    """Return the comparison of a contender that has one, as all but the baseline have."""
    assert contender.versus_baseline is not None
    return contender.versus_baseline


def versus(ours: list[Run], baseline: list[Run], metric: str) -> Versus | None:
    """Return the comparison with the baseline by a paired t interval, if two pairs are finite."""
    pairs = zip(ours, baseline, strict=True)
    values = [mine.scores["valid"][metric] - theirs.scores["valid"][metric] for mine, theirs in pairs]
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return None
    over = Summary.of(finite)
    margin = STUDENT[len(finite)] * over.sd / math.sqrt(len(finite))
    verdict = "no difference shown" if abs(over.mean) <= margin else "helps" if over.mean > 0 else "hurts"
    words = f"{verdict}: {over.mean:+.4f} ± {margin:.4f} of validation {metric}"
    return Versus(metric, "valid", over.mean, over.mean - margin, over.mean + margin, verdict, words, margin, values)
