"""The contenders and references of a study as rows: styles, scores and differences to the baseline, worded once.

The sentences, the tables, the charts and the terminal all take a :class:`Report`, so that a number reads alike wherever
it stands: scores have one number of decimals for each metric, by their spread over the seeds; a difference has that of
its own interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from bridle.metric_info import METRICS, SHOWN_BESIDE
from bridle.report.averaging import finite, middle
from bridle.report.formats import MINUS, NOTHING, MetricFormat, mean_count, seconds, true_minus
from bridle.report.series_style import NOT_COMPARED, VERDICT_STYLES, SeriesStyle, VerdictStyle, styles
from bridle.results import HELPS, HURTS, SPLITS, UNDECIDED, Contender, Reference, Study, Summary, Versus
from bridle.rounding import RoundedInterval, decimals_for
from bridle_audit.wording import counted

__all__ = ["TOO_WEAK", "ContenderRow", "Difference", "ReferenceRow", "Report"]

MOST_PLACES = 6
TOO_WEAK = "too weak to act"  # what stands in place of a verdict that decides nothing


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
    """A paired difference to the baseline and its interval as text, with the decimals that its uncertainty allows."""

    versus: Versus
    metric: MetricFormat  # with these decimals
    mean: str  # "+0.61"
    low: str
    high: str

    @classmethod
    def of(cls, versus: Versus) -> Self:
        """Word a difference in the unit of its metric."""
        scale = MetricFormat(versus.metric).scaled(1.0)
        text = RoundedInterval.of(versus.difference, versus.low, versus.high, scale)
        metric = MetricFormat(versus.metric, text.decimals)
        return cls(versus, metric, *map(true_minus, (text.difference, text.low, text.high)))

    @property
    def in_points(self) -> str:
        """The difference with its unit: "+0.61 points"."""
        return self.metric.in_points(self.mean)

    @property
    def has_spread(self) -> bool:
        """False where every seed gave the same difference, so that there is no interval to show."""
        return self.versus.low != self.versus.high

    @property
    def interval(self) -> str:
        """The 95 % interval: "[−0.20, +1.00]", or that there was no spread."""
        return f"[{self.low}, {self.high}]" if self.has_spread else "the same under each seed"

    @property
    def moved(self) -> str:
        """Which way the metric moved, and by how much: "lower by 0.19"."""
        if not self.versus.difference:
            return "the same"
        return f"{direction(self.versus.difference)} by {self.metric.in_points(unsigned(self.mean))}"

    @property
    def how_sure(self) -> str:
        """The interval for a sentence: "95 % interval 0.12 to 0.26", or that there was no spread."""
        return f"95 % interval {self.sizes}" if self.has_spread else self.interval

    @property
    def sizes(self) -> str:
        """The interval in the direction of the difference: "0.12 to 0.26"; in both where zero lies between its ends."""
        low, high = unsigned(self.low), unsigned(self.high)
        if self.versus.low < 0 < self.versus.high:
            return f"{low} lower to {high} higher"
        return f"{low} to {high}" if self.versus.high > 0 else f"{high} to {low}"

    @property
    def may_be_chance(self) -> bool:
        """True where the interval lies beside zero, and yet nothing is decided: among so many, chance shows one."""
        beside_zero = self.versus.low > 0 or self.versus.high < 0
        return self.versus.verdict == UNDECIDED and self.has_spread and beside_zero

    @property
    def more_seeds(self) -> int | None:
        """How many more seeds would tell, where that is not told yet and is known."""
        needed, seen = self.versus.seeds_needed, len(finite(self.versus.values))
        return needed - seen if self.versus.verdict == UNDECIDED and needed is not None and needed > seen else None


def direction(difference: float) -> str:
    """Return which way a metric moved."""
    return "higher" if difference > 0 else "lower"


def unsigned(text: str) -> str:
    """Return a number as text without its sign."""
    return text.lstrip(f"+{MINUS}")


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

    @property
    def written(self) -> str:
        """The recipe as it is written, for a sentence; "the baseline" where that has no recipe and is called none."""
        return self.contender.name if self.number or self.contender.recipe else "the baseline"

    @property
    def spoken(self) -> str:
        """The short name, for a sentence; "the baseline" likewise: "none overfits" would be read as another thing."""
        return self.name if self.number or self.contender.recipe else "the baseline"

    @property
    def anchor(self) -> str:
        """The id of its row on the page."""
        return f"contender-{self.number}"

    @property
    def verdict_word(self) -> str:
        """The verdict: "helps", "cannot tell yet", "too weak to act", "the baseline", "no verdict"."""
        if self.number == 0:
            return "the baseline"
        if self.is_too_weak:
            return TOO_WEAK
        return self.difference.versus.verdict if self.difference else "no verdict"

    @property
    def is_too_weak(self) -> bool:
        """True where it could change nothing, and nothing is shown that says otherwise."""
        shown = self.difference is not None and self.difference.versus.verdict in {HELPS, HURTS}
        return bool(self.contender.too_weak) and not shown

    @property
    def more_seeds(self) -> str:
        """How many more seeds would tell: "7 more seeds"; empty where that is told, or not known."""
        more = self.difference.more_seeds if self.difference and not self.is_too_weak else None
        return f"{more:,} more {'seed' if more == 1 else 'seeds'}" if more else ""

    @property
    def verdict(self) -> str:
        """The verdict, with the number of seeds that would tell: "cannot tell yet, 7 more seeds"."""
        return ", ".join(filter(None, [self.verdict_word, self.more_seeds]))

    @property
    def verdict_sentence(self) -> str:
        """The verdict as the statistics worded it; worded anew of what is too weak, and of older studies."""
        if not self.difference:
            return self.verdict_word
        versus = self.difference.versus
        measured = math.isfinite(versus.p_value) or not self.difference.has_spread
        if versus.words and measured and not self.is_too_weak:
            return versus.words
        why = f"{self.contender.too_weak.rstrip('.')}; " if self.is_too_weak else f"{self.verdict}: "
        where = MetricFormat(versus.metric).label_on(versus.split)
        return f"{why}{where} {self.difference.moved} ({self.difference.how_sure})"

    @property
    def verdict_style(self) -> VerdictStyle:
        """The look of its verdict."""
        return VERDICT_STYLES.get(self.difference.versus.verdict, NOT_COMPARED) if self.difference else NOT_COMPARED

    def score(self, split: str, metric: MetricFormat) -> Score:
        """Return the score of a metric on a split; dashes where there is none."""
        return self.scores.get((split, metric.name), ABSENT)


@dataclass(frozen=True)
class ReferenceRow:
    """One reference: a grey row in tables and a grey line in charts."""

    number: int
    reference: Reference
    scores: Mapping[tuple[str, str], Score]
    seconds: str

    @property
    def name(self) -> str:
        """What it is: "linear model"."""
        return self.reference.name

    @property
    def anchor(self) -> str:
        """The id of its row on the page."""
        return f"reference-{self.number}"

    def score(self, split: str, metric: MetricFormat) -> Score:
        """Return the score of a metric on a split; dashes where there is none."""
        return self.scores.get((split, metric.name), ABSENT)


@dataclass(frozen=True)
class Report:
    """A study with its contenders as rows, and the splits and metrics that the report is about."""

    study: Study
    rows: list[ContenderRow]  # the best first, by the difference to the baseline, which stands among them
    references: list[ReferenceRow]  # likewise, by their validation score
    splits: list[str]  # those that were scored
    metrics: list[MetricFormat]  # likewise, in the order of columns: the main one first
    split: str  # the one on which contenders are compared

    @classmethod
    def of(cls, study: Study) -> Self:
        """Word the results of a study."""
        scored = {(split, metric) for each in study.contenders for split, its in each.scores.items() for metric in its}
        splits, metrics = ({pair[place] for pair in scored} for place in (0, 1))
        beside = SHOWN_BESIDE.get(str(study.data.get("task")), "")
        first = dict.fromkeys([study.metric, beside, *METRICS, *sorted(metrics)])
        formats = {metric: format_of(study, metric) for metric in first if metric in metrics}
        compared = [each.versus_baseline.split for each in study.contenders if each.versus_baseline]
        rows = [contender_row(study, number, style, formats) for number, style in enumerate(styles(study))]
        references = [reference_row(number, each, formats) for number, each in enumerate(study.references)]
        return cls(
            study,
            rows=sorted(rows, key=lambda row: -benefit(study, row.contender)),
            references=sorted(references, key=lambda row: -reference_benefit(study, row.reference)),
            splits=[split for split in SPLITS if split in splits],
            metrics=list(formats.values()),
            split=compared[0] if compared else "valid",
        )

    def format(self, metric: str) -> MetricFormat:
        """Return the form of a metric's numbers in this report."""
        return next((each for each in self.metrics if each.name == metric), MetricFormat(metric))

    @property
    def metric(self) -> MetricFormat:
        """The main metric."""
        return self.format(self.study.metric)

    @property
    def beside(self) -> MetricFormat | None:
        """The metric that is shown beside the main one: accuracy or RMSE; None where it is the main one itself."""
        name = SHOWN_BESIDE.get(str(self.study.data.get("task")), "")
        return next((each for each in self.metrics if each.name == name != self.study.metric), None)

    @property
    def baseline(self) -> ContenderRow:
        """The row of the contender that the others are measured against."""
        return next(row for row in self.rows if row.number == 0)

    @property
    def compared(self) -> list[tuple[ContenderRow, Difference]]:
        """The contenders that were compared with the baseline, the best first."""
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

    def is_better(self, score: float, than: float) -> bool:
        """Return True where a score of the main metric is better than another; never for what is not finite."""
        return score > than if self.study.higher_is_better else score < than

    def data_rows(self, split: str) -> int:
        """Return how many rows a split has; 0 where that is not told."""
        found = self.study.data.get("rows", {}).get(split)
        return found if isinstance(found, int) else 0


def benefit(study: Study, contender: Contender) -> float:
    """Return how much better than the baseline a contender is, on the validation rows; what is unknown comes last."""
    sign = 1 if study.higher_is_better else -1
    if contender is study.baseline:
        return 0.0
    if contender.versus_baseline:
        return sign * contender.versus_baseline.difference
    ours, theirs = (each.scores["valid"][study.metric].mean for each in (contender, study.baseline))
    return sign * (ours - theirs) if math.isfinite(ours - theirs) else -math.inf


def reference_benefit(study: Study, reference: Reference) -> float:
    """Return a number that is the higher the better a reference is on the validation rows."""
    found = reference.scores.get("valid", {}).get(study.metric)
    if found is None or not math.isfinite(found.mean):
        return -math.inf
    return found.mean if study.higher_is_better else -found.mean


def format_of(study: Study, metric: str) -> MetricFormat:
    """Return the form of a metric's scores: with decimals by their typical spread over the seeds.

    Where there is no spread, those by the rows (one row changes an accuracy by so much), or three significant digits.
    """
    plain = MetricFormat(metric)
    found = [
        each.scores[split][metric]
        for each in study.contenders
        for split in ("valid", "test")
        if metric in each.scores.get(split, {})
    ]
    spread = middle([plain.scaled(each.sd) for each in found if each.sd > 0])
    typical = middle([abs(each.mean) for each in found])
    if not math.isfinite(spread) and (plain.is_percentage or not math.isfinite(typical)):
        return plain
    return MetricFormat(metric, min(decimals_for(spread, typical), MOST_PLACES))


def contender_row(study: Study, number: int, style: SeriesStyle, formats: Mapping[str, MetricFormat]) -> ContenderRow:
    """Word the results of one contender."""
    contender = study.contenders[number]
    done, wanted = len(contender.runs), len(study.seeds)
    versus = contender.versus_baseline
    return ContenderRow(
        number,
        contender,
        style,
        runs=run_count(done, wanted, contender.diverged),
        whole=done == wanted and not contender.diverged,
        scores=worded(contender.scores, formats),
        difference=Difference.of(versus) if versus else None,
        gap=formats[study.metric].signed(contender.gap),
        dead_units=mean_count(contender.dead_units),
        seconds=seconds(contender.seconds),
    )


def reference_row(number: int, reference: Reference, formats: Mapping[str, MetricFormat]) -> ReferenceRow:
    """Word the results of one reference."""
    return ReferenceRow(
        number, reference, worded(reference.scores, formats), seconds(reference.seconds) if reference.seconds else ""
    )


def worded(
    scores: Mapping[str, Mapping[str, Summary]], formats: Mapping[str, MetricFormat]
) -> dict[tuple[str, str], Score]:
    """Word scores by split and metric; of those metrics that contenders have."""
    return {
        (split, metric): Score.of(formats[metric], summary)
        for split, summaries in scores.items()
        for metric, summary in summaries.items()
        if metric in formats
    }


def run_count(done: int, wanted: int, diverged: int) -> str:
    """Count the runs that are done, those that are missing, and those that diverged.

    >>> run_count(5, 5, 0), run_count(4, 5, 0), run_count(4, 5, 1)
    ('5', '4 of 5', '4 of 5, 1 diverged')
    """
    count = str(done) if done == wanted else f"{done} of {wanted}"
    return f"{count}, {diverged} diverged" if diverged else count
