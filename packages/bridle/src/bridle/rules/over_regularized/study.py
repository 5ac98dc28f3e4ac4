"""Contenders that fit less and generalize less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridle.knobs import knobs
from bridle.recipe import Regularizer
from bridle.regularizers import Recipe
from bridle.results import HIGHER_IS_BETTER, Contender, Study
from bridle_audit.findings import Finding

MUCH = 0.01  # of the main metric, on the training rows: below it the fit is the baseline's


def check(study: Study) -> Iterator[Finding]:
    """Yield a finding for contenders that fit less and generalize less than the baseline."""
    if not HIGHER_IS_BETTER.get(study.metric):
        return
    for each in study.contenders:
        versus = each.versus_baseline
        if versus is None or versus.verdict != "hurts" or each.diverged:
            continue
        ours, theirs = mean_scores(each, study.metric), mean_scores(study.baseline, study.metric)
        if ours["train"] > theirs["train"] - MUCH:
            continue
        yield Finding(
            each.name,
            f"it fits less and generalizes less: training {study.metric} {ours['train']:.3f} against "
            f"{theirs['train']:.3f} of {study.baseline.name}, "
            f"validation {study.metric} {ours['valid']:.3f} against {theirs['valid']:.3f}",
            cure(Recipe.from_json(each.recipe)),
            {"train": ours["train"], "baseline's train": theirs["train"], "difference": versus.difference},
        )


def mean_scores(contender: Contender, metric: str) -> dict[str, float]:
    """Return the mean of a metric over the seeds, by split."""
    return {split: found[metric].mean for split, found in contender.scores.items() if metric in found}


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
