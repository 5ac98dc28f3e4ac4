"""What the numbers of a study show of its training: too short, overfit, worse than a constant, silent outputs ...

Each function looks at one thing and returns what it saw, with the numbers, or None. The headline and the advice word
it; nothing is said there that is not seen here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bridle.metric_info import METRICS, Criterion, curve_metric
from bridle.report.averaging import finite, mean_of
from bridle.report.rows import ContenderRow, ReferenceRow, Report
from bridle.results import Contender, Run, Summary
from bridle.training_length import improves

__all__ = [
    "below_constant",
    "best_of",
    "better_reference",
    "calibration",
    "constant_reference",
    "dead_outputs",
    "memorizing",
    "overfitting",
    "pair_difference",
    "row_noise",
    "silent_layer",
    "too_short",
    "underfitting",
]

MEASURED_ROWS = 500  # validation rows from which a training score that is no better is no accident of the split
PERFECT = 0.01  # what is left to gain below which nothing is underfit
WIDE_GAP = 0.2  # share of what is left to gain on the validation rows that the gap takes where a network overfits
LEARNT_BY_HEART = 0.99  # accuracy on the training rows
MISSED = 0.10  # accuracy that is lost from the training to the validation rows
RISEN = 1.2  # times its lowest value that the validation loss has where wrong rows are being learnt
SILENT = 0.25  # share of a layer's units
OFF = 0.05  # calibration error worth a sentence
BINS = 15  # of the calibration error
CONSTANTS = ("majority class", "mean")
UNSTOPPED = "without early stopping"  # the baseline itself, after its last epoch

Row = TypeVar("Row", ContenderRow, ReferenceRow)


@dataclass(frozen=True)
class TooShort:
    """Training that was still worth going on with at the longest length that was tried; means over the runs."""

    shorter: int
    longest: int
    score_before: float
    score: float


@dataclass(frozen=True)
class Gap:
    """The scores of the baseline on training and validation rows, by the main metric."""

    train: float
    valid: float

    @property
    def size(self) -> float:
        """How far they lie apart."""
        return abs(self.train - self.valid)


@dataclass(frozen=True)
class Memorizing:
    """The last epoch of a baseline that has learnt its training rows by heart."""

    train_accuracy: float
    valid_accuracy: float
    lowest_loss: float  # on the validation rows, over the epochs
    last_loss: float


@dataclass(frozen=True)
class DeadOutputs:
    """Outputs of a contender that are the same for every training row."""

    row: ContenderRow
    runs: int  # in how many
    dead: int  # in the worst of them
    outputs: int


@dataclass(frozen=True)
class Calibration:
    """How far confidence and accuracy lie apart, and how far they would by the number of rows alone."""

    row: ContenderRow
    split: str
    error: float
    by_chance: float


@dataclass(frozen=True)
class PairDifference:
    """The difference of two contenders by the main metric, paired by seed, with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """True where the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def criterion_of(report: Report) -> Criterion:
    """Return the metric that chose, with its direction."""
    return Criterion(report.study.metric, report.study.higher_is_better)


def main_mean(report: Report, row: ContenderRow | ReferenceRow, split: str) -> float:
    """Return the mean of the main metric on a split; nan where there is none."""
    return row.score(split, report.metric).summary.mean


def constant_reference(report: Report) -> ReferenceRow | None:
    """Return the reference that answers the same for every row."""
    return next((each for each in report.references if each.name in CONSTANTS), None)


def below_constant(report: Report) -> list[ContenderRow]:
    """Return the contenders that are worse than the constant answer on the validation rows, the worst last.

    Those that are worse by less than their score is written to are as good.
    """
    constant = constant_reference(report)
    if constant is None:
        return []
    level, written = main_mean(report, constant, "valid"), constant.score("valid", report.metric).mean
    return [
        row
        for row in report.rows
        if report.is_better(level, main_mean(report, row, "valid"))
        and row.score("valid", report.metric).mean != written
    ]


def too_short(report: Report) -> TooShort | None:
    """Return the last two lengths of the baseline, if the longest there is was still worth its epochs in most runs.

    It was where it improved on the shorter one and was at its best in its second half: else no longer one was wanted.
    """
    runs = [run for run in report.baseline.contender.runs if run.diverged_at is None]
    criterion = criterion_of(report)
    tried = [run.lengths[-2:] for run in runs if len(run.lengths) > 1]
    growing = [
        (before, last)
        for before, last in tried
        if improves(last.score, before.score, criterion) and last.best_epoch > last.epochs / 2
    ]
    if not growing or 2 * len(growing) <= len(runs):
        return None
    longest = max(last.epochs for _, last in growing)
    pairs = [(before, last) for before, last in growing if last.epochs == longest]
    scores = [mean_of(each.score for each in column) for column in zip(*pairs, strict=True)]
    return TooShort(pairs[0][0].epochs, longest, *scores)


def underfitting(report: Report) -> Gap | None:
    """Return the baseline's scores, if it is no better on the rows that it was trained on, and could be better."""
    gap = Gap(main_mean(report, report.baseline, "train"), main_mean(report, report.baseline, "valid"))
    if report.data_rows("valid") < MEASURED_ROWS or not math.isfinite(gap.train + gap.valid):
        return None
    could_be_better = left_to_gain(report, gap.train) > PERFECT
    return gap if could_be_better and not report.is_better(gap.train, gap.valid) else None


def overfitting(report: Report) -> Gap | None:
    """Return the baseline's scores, if those of the training rows are much better."""
    gap = Gap(main_mean(report, report.baseline, "train"), main_mean(report, report.baseline, "valid"))
    if not report.is_better(gap.train, gap.valid):
        return None
    left = left_to_gain(report, gap.valid)
    return gap if left > PERFECT and gap.size > WIDE_GAP * left else None


def left_to_gain(report: Report, score: float) -> float:
    """Return how far a score lies from a perfect one; of errors in units of their own, relative to the baseline's."""
    if report.study.higher_is_better:
        return 1 - score if report.study.metric in METRICS else math.inf
    if report.metric.name in METRICS and METRICS[report.metric.name].in_target_units:
        return score / (main_mean(report, report.baseline, "valid") or math.nan)
    return score


def memorizing(report: Report) -> Memorizing | None:
    """Return what the baseline's last epochs show, if it learns its training rows and the validation rows suffer."""
    runs = [run for run in report.baseline.contender.runs if run.diverged_at is None]
    if curve_metric(report.study.metric) != "accuracy" or not runs:
        return None
    names = ("train_accuracy", "valid_accuracy", "valid_loss")
    if not all(run.curves.get(name) for run in runs for name in names):
        return None
    train, valid, last = (mean_of(run.curves[name][-1] for run in runs) for name in names)
    lowest = mean_of(min(finite(run.curves["valid_loss"]), default=math.nan) for run in runs)
    seen = train >= LEARNT_BY_HEART and train - valid >= MISSED and last > RISEN * lowest
    return Memorizing(train, valid, lowest, last) if seen else None


def dead_outputs(report: Report) -> list[DeadOutputs]:
    """Return the contenders with outputs that are the same for every training row."""
    found = []
    for row in report.rows:
        runs = [run for run in row.contender.runs if run.layers and run.diverged_at is None]
        dead = [run.layers[-1] for run in runs if run.layers[-1].dead_units]
        if dead:
            worst = max(dead, key=lambda layer: layer.dead_units)
            found.append(DeadOutputs(row, len(dead), worst.dead_units, worst.units))
    return found


def silent_layer(row: ContenderRow) -> tuple[str, float, int] | None:
    """Return the hidden layer with the largest share of dead units, their mean number and its units, if many are."""
    runs = [run for run in row.contender.runs if run.diverged_at is None]
    shares: dict[str, list[tuple[int, int]]] = {}
    for run in runs:
        for layer in run.layers[:-1]:
            shares.setdefault(layer.name, []).append((layer.dead_units, layer.units))
    means = [(name, mean_of(dead for dead, _ in its), its[0][1]) for name, its in shares.items() if its[0][1]]
    worst = max(means, key=lambda each: each[1] / each[2], default=None)
    return worst if worst and worst[1] / worst[2] >= SILENT else None


def calibration(report: Report, row: ContenderRow) -> Calibration | None:
    """Return a contender's calibration error, if it is larger than so few rows alone would make it.

    With well calibrated probabilities a bin of m rows is off by sqrt(2 p (1 - p) / (pi m)) on average; over B bins of
    n rows that is at most sqrt(B / (2 pi n)).
    """
    split = report.quoted_split
    error, rows = row.score(split, report.format("ece")).summary.mean, report.data_rows(split)
    if not rows or not math.isfinite(error):
        return None
    by_chance = math.sqrt(BINS / (2 * math.pi * rows))
    return Calibration(row, split, error, by_chance) if error > max(OFF, by_chance) else None


def better_reference(report: Report) -> ReferenceRow | None:
    """Return the best reference, if it is better than every contender under every seed.

    It has to be so on the rows that are quoted and on the validation rows: one of them alone may be luck.
    """
    splits = dict.fromkeys((report.quoted_split, "valid"))
    rivals = [row for row in report.references if row.name != UNSTOPPED]
    best = best_of(report, rivals, report.quoted_split)
    if best is None or best_of(report, report.rows, report.quoted_split) is None:
        return None
    ahead = all(beats(report, best, row, split) for row in report.rows for split in splits)
    return best if ahead else None


def beats(report: Report, reference: ReferenceRow, row: ContenderRow, split: str) -> bool:
    """Return whether a reference is better than every run of a contender that has a score."""
    reached = main_mean(report, reference, split)
    return all(report.is_better(reached, score) for score in finite(row.score(split, report.metric).summary.values))


def best_of(report: Report, rows: Sequence[Row], split: str) -> Row | None:
    """Return the row with the best finite score of the main metric."""
    scored = [row for row in rows if math.isfinite(main_mean(report, row, split))]
    return min(scored, key=lambda row: criterion_of(report).loss(main_mean(report, row, split)), default=None)


def row_noise(report: Report, split: str) -> float:
    """Return how far an accuracy on so many rows may be off whatever the seeds: half its 95 % interval; nan unknown."""
    accuracy = report.baseline.score(split, report.format("accuracy")).summary.mean
    rows = report.data_rows(split)
    if not rows or not math.isfinite(accuracy):
        return math.nan
    return 1.96 * math.sqrt(max(accuracy * (1 - accuracy), 1 / rows) / rows)


def pair_difference(report: Report, one: Contender, other: Contender) -> PairDifference | None:
    """Return the difference of two contenders, seed by seed, with an interval made as those against the baseline.

    The factor between spread and half-width (Student's t, and the correction for splits that overlap) is taken from a
    comparison of as many pairs; ``None`` where there is none.
    """
    by_seed = {run.seed: valid_score(run, report) for run in other.runs}
    pairs = [(valid_score(run, report), by_seed[run.seed]) for run in one.runs if run.seed in by_seed]
    values = finite(ours - theirs for ours, theirs in pairs)
    factor = half_width_factor(report, len(values))
    if len(values) < 2 or not math.isfinite(factor):
        return None
    over = Summary.of(values)
    return PairDifference(over.mean, over.mean - factor * over.sd, over.mean + factor * over.sd)


def half_width_factor(report: Report, pairs: int) -> float:
    """Return half the width of an interval over the spread of its differences, for so many; nan where none is known."""
    for _, found in report.compared:
        values = finite(found.versus.values)
        spread = Summary.of(values).sd if len(values) == pairs else 0.0
        if spread > 0 and found.has_spread:
            return (found.versus.high - found.versus.low) / 2 / spread
    return math.nan


def valid_score(run: Run, report: Report) -> float:
    """Return a run's main score on the validation rows."""
    return run.scores["valid"][report.study.metric]
