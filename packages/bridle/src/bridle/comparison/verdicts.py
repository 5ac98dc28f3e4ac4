"""Contenders and their verdicts, made from single runs, and the notices to print beside the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bridle.comparison.statistics import versus
from bridle.recipe import Recipe
from bridle.results import Contender, Run, Summary
from bridle_audit.wording import counted

__all__ = ["contenders", "notices"]

ABSENT = Summary(math.nan, math.nan, [])  # of a baseline that an interrupt left without runs


def contenders(runs: dict[Recipe, list[Run]], metric: str) -> list[Contender]:
    """Return a contender for each recipe that has runs, in order; the first recipe is the baseline.

    The baseline is there even where an interrupt left it without runs: its scores are then nan, of no values.
    """
    baseline, *_ = runs.values()
    splits = next(its for its in runs.values() if its)[0].scores  # every run has the same splits and metrics
    present = [recipe for recipe, its in runs.items() if its or its is baseline]
    return [contender(recipe, runs[recipe], baseline, metric, splits) for recipe in present]


def contender(
    recipe: Recipe, runs: list[Run], baseline: list[Run], metric: str, splits: dict[str, dict[str, float]]
) -> Contender:
    """Summarize the runs of one recipe."""
    scores = {
        split: {name: summary([run.scores[split][name] for run in runs]) for name in metrics}
        for split, metrics in splits.items()
    }
    return Contender(
        recipe=recipe.to_json(),
        name=str(recipe),
        scores=scores,
        gap=scores["train"][metric].mean - scores["valid"][metric].mean,
        dead_units=summary([float(run.dead_units) for run in runs]).mean,
        seconds=summary([run.seconds for run in runs]).mean,
        versus_baseline=None if runs is baseline else versus(runs, baseline, metric),
        runs=runs,
    )


def summary(values: list[float]) -> Summary:
    """Return mean and spread, or :data:`ABSENT` of no values."""
    return Summary.of(values) if values else ABSENT


def notices(judged: Sequence[Contender], recipes: Sequence[Recipe], seeds: Sequence[int], missing: int) -> list[str]:
    """Return the sentences to print beside the numbers; the cards' doubts come once for all contenders."""
    said = []
    if missing:
        are = "is" if missing == 1 else "are"
        said.append(
            f"Interrupted: {counted('run', missing)} {are} missing; the numbers are those of the finished runs."
        )
    if len(seeds) == 1:
        said.append("One seed cannot tell a difference from noise: there are no verdicts; give two seeds or more.")
    doubts = dict.fromkeys(note for recipe in recipes for note in recipe.notes())
    return [*said, *(diverged_notice(each) for each in judged if each.diverged), *doubts]


def diverged_notice(judged: Contender) -> str:
    """Count a contender's runs that did not stay finite, in a sentence."""
    first = min(run.diverged_at for run in judged.runs if run.diverged_at is not None)
    return (
        f"{judged.name}: {judged.diverged} of {len(judged.runs)} runs diverged, the first in epoch {first}, and are in "
        "no verdict; a lower learning rate may hold them."
    )
