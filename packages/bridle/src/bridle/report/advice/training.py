"""How the baseline was trained: too short, with too small a network, by heart; from its scores, lengths and curves."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bridle.report.advice.paths import baseline_scores, curve_numbers, length_paths
from bridle.report.advice.sentence import Advice
from bridle.report.diagnosis import memorizing, overfitting, too_short, underfitting
from bridle.report.formats import headed, significant
from bridle.report.narrative import winner
from bridle.report.rows import Report
from bridle.results import HURTS
from bridle_audit.wording import counted

__all__ = ["closes_the_gap", "lost_runs", "noisy_labels", "underfits"]


def underfits(report: Report) -> Iterator[Advice]:
    """Say that training is too short, or the network too small, before any recipe is blamed."""
    short, gap, metric = too_short(report), underfitting(report), report.metric
    if short:
        runs = report.baseline.contender.runs
        paths = length_paths(report, short.longest)
        yield Advice(
            "underfits",
            f"Train longer before judging any recipe: {short.longest} epochs, the most that were tried, still take "
            f"{metric.label_on('valid')} of {report.baseline.written} from {metric.shown(short.score_before)} "
            f"to {metric.shown(short.score)} ({counted('run', len(runs))}); give --epochs {2 * short.longest}, a "
            "higher learning rate, or a wider network.",
            paths,
            "lengths",
        )
    if gap:
        yield Advice(
            "underfits",
            f"Regularization is not the problem: {metric.label} of {report.baseline.written} is "
            f"{metric.shown(gap.train)} on the training rows, no better than {metric.shown(gap.valid)} on the "
            "validation rows, so there is no overfitting to close; a wider network, longer training or a higher "
            "learning rate may gain more.",
            baseline_scores(report),
            "gap",
        )


def closes_the_gap(report: Report) -> Iterator[Advice]:
    """Say that the baseline overfits, and how much of its gap the best recipe that helps closes."""
    gap, metric = overfitting(report), report.metric
    if gap is None:
        return
    base, row = report.baseline, winner(report)
    opening = (
        f"{headed(base.written)} overfits: {metric.label} {metric.shown(gap.train)} on the training rows, "
        f"{metric.shown(gap.valid)} on the validation rows"
    )
    numbers = baseline_scores(report)
    if row is base:
        if report.compared:
            yield Advice(
                "overfits",
                f"{opening}; no recipe that was tried is shown to help{what_else(report)}.",
                numbers,
                "gap",
            )
        return
    ours = abs(row.contender.gap)
    closed = 1 - ours / gap.size
    if not math.isfinite(closed) or closed <= 0.01:
        return
    yield Advice(
        "overfits",
        f"{opening}; {row.written} closes {percent(closed)} of that gap, from {metric.bare(gap.size)} to "
        f"{metric.in_points(metric.bare(ours))}.",
        {f"contenders[{base.number}].gap": base.contender.gap, f"contenders[{row.number}].gap": row.contender.gap},
        "gap",
    )


def what_else(report: Report) -> str:
    """Return what to try where no recipe helps: stronger ones, unless it hurts to be as strong as they are."""
    hurting = sum(row.verdict_word == HURTS for row, _ in report.compared)
    if hurting:
        return f", and {hurting} of {len(report.compared)} hurt: try weaker ones (--tune 20 searches their strengths)"
    return ": try stronger ones (--tune 20 searches their strengths), or more rows"


def percent(share: float) -> str:
    """Write a share in whole percent; beyond 1 for a gap that has turned around.

    >>> percent(0.724), percent(0.9999)
    ('72 %', 'all')
    """
    return "all" if round(100 * share) >= 100 else f"{round(100 * share)} %"


def noisy_labels(report: Report) -> Iterator[Advice]:
    """Say that training rows are learnt by heart, which wrong labels look like."""
    seen = memorizing(report)
    if seen is None:
        return
    accuracy = report.format("accuracy")
    rising = f"its validation loss goes from {significant(seen.lowest_loss)} up to {significant(seen.last_loss)}"
    yield Advice(
        "memorizes",
        f"{headed(report.baseline.written)} learns its training rows by heart: {accuracy.shown(seen.train_accuracy)} "
        f"of them are right after the last epoch, {accuracy.shown(seen.valid_accuracy)} of the validation rows, and "
        f"{rising}. Wrong labels look like this, and so do classes that overlap: look at training rows that a "
        "regularized run gets wrong.",
        curve_numbers(report, ("train_accuracy", "valid_accuracy", "valid_loss")),
        "curves",
    )


def lost_runs(report: Report) -> Iterator[Advice]:
    """Say which contenders diverged."""
    for row in report.rows:
        lost = [(number, run.diverged_at) for number, run in enumerate(row.contender.runs) if run.diverged_at]
        if lost:
            yield Advice(
                "diverged",
                f"{headed(row.written)} diverged in {len(lost)} of {counted('run', len(row.contender.runs))}, the "
                f"first in epoch {min(epoch for _, epoch in lost)}: take a lower learning rate.",
                {f"contenders[{row.number}].runs[{number}].diverged_at": float(epoch) for number, epoch in lost},
                row.anchor,
            )
