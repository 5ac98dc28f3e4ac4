"""Contenders that fit less and generalize less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridle.knobs import knobs
from bridle.metric_info import FIT_METRIC, metric_label
from bridle.recipe import Regularizer
from bridle.regularizers import Recipe
from bridle.results import HURTS, Contender, Study
from bridle_audit.findings import Finding

MUCH = 0.01  # of accuracy or R², on the training rows: below it the fit is the baseline's


def check(study: Study) -> Iterator[Finding]:
    """Yield a finding for contenders that fit less and generalize less than the baseline."""
    fit = FIT_METRIC[study.data["task"]]
    for each in study.contenders:
        versus = each.versus_baseline
        if versus is None or versus.verdict != HURTS or each.diverged:
            continue
        ours, theirs = (mean_score(one, "train", fit) for one in (each, study.baseline))
        if ours > theirs - MUCH:
            continue
        worse, base = (mean_score(one, "valid", study.metric) for one in (each, study.baseline))
        yield Finding(
            each.name,
            f"it fits less and generalizes less: training {metric_label(fit)} {ours:.3f} against {theirs:.3f} of "
            f"{study.baseline.name}, validation {metric_label(study.metric)} {worse:.3f} against {base:.3f}",
            cure(Recipe.from_json(each.recipe)),
            {"train": ours, "baseline's train": theirs, "difference": versus.difference},
        )


def mean_score(contender: Contender, split: str, metric: str) -> float:
    """Return the mean of a metric over the seeds."""
    return contender.scores[split][metric].mean


def cure(recipe: Recipe) -> str:
    """Return a comparison with milder strengths, or with no regularizer if there is no milder recipe."""
    milder = Recipe(tuple(map(weakened, recipe)))
    return f"bridle.compare(data, [{str(milder)!r}])" if milder != recipe else 'bridle.compare(data, ["none"])'


def weakened(regularizer: Regularizer) -> Regularizer:
    """Return a copy at half its strength, or a tenth if it is searched on a log scale; schedules are not changed."""
    changes: dict[str, float] = {}
    for each in knobs(regularizer):
        value = getattr(regularizer, each.name)
        if each.off is not None and isinstance(value, float):
            part = 0.1 if each.log else 0.5
            changes[each.name] = float(f"{each.off + part * (value - each.off):.3g}")
    return replace(regularizer, **changes)
