"""The contenders of a study as rows: styles, scores and differences to the baseline, worded once.

The sentences, the tables, the charts and the terminal all take a :class:`Report`, so that a number reads alike wherever
it stands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from bridle.report.formats import NOTHING, MetricFormat, mean_count, seconds
from bridle.report.series_style import SeriesStyle, styles
from bridle.results import SPLITS, Contender, Study, Summary, Versus
from bridle_audit.wording import counted

__all__ = ["ContenderRow", "Difference", "Report"]

METRICS = ("accuracy", "r2", "rmse", "loss", "calibration_error")  # the order of columns; others follow


@dataclass(frozen=True)
class Score:
    """One metric on one split over a contender's runs, and its mean as text."""

    summary: Summary
    mean: str  # "97.41"
    shown: str  # "97.41 %"
    spread: str  # "97.41 ± 0.40"

    @classmethod
    def of(cls, metric: MetricFormat, summary: Summary) -> Self:
        """Word a summary."""
        return cls(summary, metric.bare(summary.mean), metric.shown(summary.mean), metric.spread(summary))


ABSENT = Score(Summary(math.nan, math.nan, []), NOTHING, NOTHING, NOTHING)  # of a split or metric without scores


@dataclass(frozen=True)
class Difference:
    """A paired difference to the baseline and its interval as text: signed, and as a size without sign."""

    versus: Versus
    mean: str  # "+0.61"
    low: str
    high: str
    in_points: str  # "+0.61 points"
    size: str  # "0.61"
    size_interval: str  # "0.31 to 0.93"
    smallest: str  # "0.30", the smallest size that would have shown

    @classmethod
    def of(cls, versus: Versus) -> Self:
        """Word a difference in the unit of its metric."""
        metric = MetricFormat(versus.metric)
        mean, low, high = (metric.signed(each) for each in (versus.difference, versus.low, versus.high))
        ends = (versus.low, versus.high) if versus.difference > 0 else (-versus.high, -versus.low)
        return cls(
            versus,
            mean,
            low,
            high,
            in_points=metric.in_points(mean),
            size=metric.bare(abs(versus.difference)),
            size_interval=" to ".join(metric.bare(end) for end in ends),
            smallest=metric.bare(versus.smallest),
        )

    @property
    def interval(self) -> str:
        """The 95 % interval: "−0.20 to +1.00"."""
        return f"{self.low} to {self.high}"


@dataclass(frozen=True)
class ContenderRow:
    """One contender: its number, 0 for the baseline, its style, and its results as text."""

    number: int
    contender: Contender
    style: SeriesStyle
    runs: str  # "5", "4 of 5", "5, 1 diverged"
    whole: bool  # every run is there and none diverged
    scores: Mapping[tuple[str, str], Score]  # by split and metric
    difference: Difference | None  # None for the baseline, or where fewer than two seeds are paired
    gap: str
    dead_units: str
    seconds: str  # "12 s"

    @property
    def name(self) -> str:
        """The short name of the recipe."""
        return self.style.name

    def score(self, split: str, metric: MetricFormat) -> Score:
        """Return the score of a metric on a split; dashes where there is none."""
        return self.scores.get((split, metric.name), ABSENT)


@dataclass(frozen=True)
class Report:
    """A study with its contenders as rows, and the splits and metrics that the report is about."""

    study: Study
    rows: list[ContenderRow]
    splits: list[str]  # those that were scored
    metrics: list[MetricFormat]  # likewise, in the order of columns
    split: str  # the one on which contenders are compared

    @classmethod
    def of(cls, study: Study) -> Self:
        """Word the results of a study."""
        scored = {(split, metric) for each in study.contenders for split, its in each.scores.items() for metric in its}
        splits, metrics = ({pair[place] for pair in scored} for place in (0, 1))
        ordered = [*(metric for metric in METRICS if metric in metrics), *sorted(metrics - set(METRICS))]
        compared = [each.versus_baseline.split for each in study.contenders if each.versus_baseline]
        return cls(
            study,
            [contender_row(study, number, style) for number, style in enumerate(styles(study))],
            splits=[split for split in SPLITS if split in splits],
            metrics=[MetricFormat(metric) for metric in ordered],
            split=compared[0] if compared else "valid",
        )

    @property
    def metric(self) -> MetricFormat:
        """The main metric."""
        return MetricFormat(self.study.metric)

    @property
    def baseline(self) -> ContenderRow:
        """The row of the contender that the others are measured against."""
        return self.rows[0]

    @property
    def compared(self) -> list[tuple[ContenderRow, Difference]]:
        """The contenders that were compared with the baseline."""
        return [(row, row.difference) for row in self.rows if row.difference]

    @property
    def quoted_split(self) -> str:
        """The split whose numbers are quoted: the last of train, valid and test that was scored."""
        return self.splits[-1] if self.splits else "valid"

    @property
    def measured(self) -> str:
        """The main metric on the split of the comparison: "validation accuracy"."""
        return self.metric.label_on(self.split)

    @property
    def seeds(self) -> str:
        """The number of seeds: "1 seed", "5 seeds"."""
        return counted("seed", len(self.study.seeds))


def contender_row(study: Study, number: int, style: SeriesStyle) -> ContenderRow:
    """Word the results of one contender."""
    contender = study.contenders[number]
    done, wanted = len(contender.runs), len(study.seeds)
    return ContenderRow(
        number,
        contender,
        style,
        runs=run_count(done, wanted, contender.diverged),
        whole=done == wanted and not contender.diverged,
        scores={
            (split, metric): Score.of(MetricFormat(metric), summary)
            for split, summaries in contender.scores.items()
            for metric, summary in summaries.items()
        },
        difference=Difference.of(contender.versus_baseline) if contender.versus_baseline else None,
        gap=MetricFormat(study.metric).signed(contender.gap),
        dead_units=mean_count(contender.dead_units),
        seconds=seconds(contender.seconds),
    )


def run_count(done: int, wanted: int, diverged: int) -> str:
    """Count the runs that are done, those that are missing, and those that diverged.

    >>> run_count(5, 5, 0), run_count(4, 5, 0), run_count(4, 5, 1)
    ('5', '4 of 5', '4 of 5, 1 diverged')
    """
    count = str(done) if done == wanted else f"{done} of {wanted}"
    return f"{count}, {diverged} diverged" if diverged else count
