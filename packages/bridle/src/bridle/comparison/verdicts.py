"""Contenders and their verdicts, made from single runs, and the notices to print beside the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bridle.comparison.paired import Paired
from bridle.comparison.statistics import judge, measure, pair
from bridle.metric_info import DEFAULT_METRIC, METRICS, SHOWN_BESIDE
from bridle.metric_info import higher_is_better as known_direction
from bridle.recipe import Recipe
from bridle.results import Contender, Run, Summary, Versus
from bridle_audit.wording import counted

__all__ = ["contenders", "notices", "unmeasured_notices"]

ABSENT = Summary(math.nan, math.nan, [])  # of a baseline that an interrupt left without runs


@dataclass(frozen=True)
class Comparison:
    """What each contender is compared with, and by which metric."""

    baseline: list[Run]
    metric: str
    higher_is_better: bool
    margin: float | None
    test_to_train: float | None
    rows: dict[str, int]

    def paired(self, runs: list[Run], metric: str, split: str) -> Paired | None:
        """Pair a contender's runs with the baseline's; the margin asked for is the main metric's."""
        main = metric == self.metric
        return pair(
            runs,
            self.baseline,
            metric,
            split,
            higher_is_better=self.higher_is_better if main else known_direction(metric),
            margin=self.margin if main else None,
            test_to_train=self.measured_to_train(split),
            n_rows=self.rows.get(split),
        )

    def measured_to_train(self, split: str) -> float | None:
        """Return the rows of a split per row that is not in it, where every seed has a split of its own."""
        if self.test_to_train is None or split == "valid":
            return self.test_to_train
        return self.rows[split] / (sum(self.rows.values()) - self.rows[split])

    def others(self, runs: list[Run], measured: dict[str, dict[str, float]]) -> list[Versus]:
        """Compare on other pairs of metric and split, without a verdict: what stands beside, and the test rows."""
        beside = [name for name in shown_beside(self.metric) if name in measured["valid"]]
        asked = [("valid", name) for name in beside]
        asked += [("test", name) for name in (self.metric, *beside) if "test" in measured]
        found = (self.paired(runs, metric, split) for split, metric in asked)
        return [measure(paired) for paired in found if paired]


def contenders(
    runs: dict[Recipe, list[Run]],
    metric: str,
    *,
    higher_is_better: bool,
    margin: float | None = None,
    test_to_train: float | None = None,
    rows: dict[str, int],
    seeds_wanted: int,
) -> list[Contender]:
    """Return a contender for each recipe that has runs, in order; the first recipe is the baseline.

    ``margin``: differences of ``metric`` up to this size are of no consequence (None: its default, 0: there is none).
    ``test_to_train``: validation rows per other row where every seed has a split of its own, None where all see the
    same. ``rows``: the rows of each split. ``seeds_wanted``: how many were asked for; an interrupt leaves fewer.

    The baseline is there even where an interrupt left it without runs: its scores are then nan, of no values.
    """
    baseline, *_ = runs.values()
    measured = next(its for its in runs.values() if its)[0].scores  # every run has the same splits and metrics
    comparison = Comparison(baseline, metric, higher_is_better, margin, test_to_train, rows)
    paired = {recipe: comparison.paired(its, metric, "valid") for recipe, its in runs.items() if its is not baseline}
    compared = {recipe: each for recipe, each in paired.items() if each}
    judged = dict(zip(compared, judge(list(compared.values()), seeds_wanted), strict=True))
    present = {recipe: its for recipe, its in runs.items() if its or its is baseline}
    return [
        contender(
            recipe,
            its,
            metric,
            measured,
            versus_baseline=judged.get(recipe),
            others=comparison.others(its, measured) if recipe in judged else [],
        )
        for recipe, its in present.items()
    ]


def contender(
    recipe: Recipe,
    runs: list[Run],
    metric: str,
    measured: dict[str, dict[str, float]],
    *,
    versus_baseline: Versus | None,
    others: list[Versus],
) -> Contender:
    """Summarize the runs of one recipe."""
    scores = {
        split: {name: summary([run.scores[split][name] for run in runs]) for name in metrics}
        for split, metrics in measured.items()
    }
    return Contender(
        recipe=recipe.to_json(),
        name=str(recipe),
        scores=scores,
        gap=scores["train"][metric].mean - scores["valid"][metric].mean,
        dead_units=summary([float(run.dead_units) for run in runs]).mean,
        seconds=summary([run.seconds for run in runs]).mean,
        versus_baseline=versus_baseline,
        runs=runs,
        others=others,
    )


def shown_beside(metric: str) -> list[str]:
    """Return the metrics that are told beside the one that chooses: the default ones, of either task.

    >>> shown_beside("log_loss"), shown_beside("r2"), shown_beside("auroc")
    (['accuracy'], ['rmse'], ['log_loss', 'accuracy'])
    """
    tasks = [METRICS[metric].task] if metric in METRICS else list(DEFAULT_METRIC)
    names = [name for task in tasks for name in (DEFAULT_METRIC[task], SHOWN_BESIDE[task])]
    return [name for name in names if name != metric]


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


def unmeasured_notices(judged: Sequence[Contender], metric: str) -> list[str]:
    """Count the runs that stayed finite and whose main score is no number all the same, in a sentence."""
    runs = [run for each in judged for run in each.runs if run.diverged_at is None]
    lost = sum(not math.isfinite(run.scores["valid"][metric]) for run in runs)
    if not lost:
        return []
    known = metric in METRICS
    cure = "take another --metric, or a split in which valid has every class" if known else "mend the function"
    name = METRICS[metric].label if known else metric
    return [
        f"{name} is no number on the validation rows of {lost} of {counted('run', len(runs))}, which are in no "
        f"verdict; {cure}."
    ]


def diverged_notice(judged: Contender) -> str:
    """Count a contender's runs that did not stay finite, in a sentence."""
    first = min(run.diverged_at for run in judged.runs if run.diverged_at is not None)
    return (
        f"{judged.name}: {judged.diverged} of {len(judged.runs)} runs diverged, the first in epoch {first}, and are in "
        "no verdict; a lower learning rate may hold them."
    )
