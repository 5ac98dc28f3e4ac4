"""How the recipes fare against methods that need no tuning, from the scores of both."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.report.advice.paths import reference_path, score_path
from bridle.report.advice.sentence import Advice
from bridle.report.diagnosis import below_constant, best_of, better_reference, constant_reference
from bridle.report.formats import headed
from bridle.report.narrative import named
from bridle.report.rows import Report

__all__ = ["against_references", "below_the_constant"]


def below_the_constant(report: Report) -> Iterator[Advice]:
    """Say which contenders are worse than answering the same for every row."""
    constant, below = constant_reference(report), below_constant(report)
    if not constant or not below:
        return
    level = constant.score("valid", report.metric)
    names = headed(named([row.written for row in below]))
    verb = "is" if len(below) == 1 else "are"
    yield Advice(
        "below the constant",
        f"{names} {verb} worse than the {constant.name}, {level.shown} {report.metric.label_on('valid')}: what "
        f"{'it answers is' if len(below) == 1 else 'they answer is'} not to be used, whatever the verdicts beside it.",
        {score_path(row, "valid", report): row.score("valid", report.metric).summary.mean for row in below}
        | {reference_path(constant.number, "valid", report): level.summary.mean},
        constant.anchor,
    )


def against_references(report: Report) -> Iterator[Advice]:
    """Say plainly where a reference beats every contender."""
    best, split = better_reference(report), report.quoted_split
    ours = best_of(report, report.rows, split)
    if best is None or ours is None:
        return
    theirs, own = (row.score(split, report.metric) for row in (best, ours))
    yield Advice(
        "reference wins",
        f"A reference beats every recipe here: {best.name}, with {report.metric.label_on(split)} {theirs.shown} "
        f"against {own.shown} of {ours.written}, the best of them; take it, unless tuning the network (--tune 20) "
        "brings it past.",
        {reference_path(best.number, split, report): theirs.summary.mean}
        | {score_path(ours, split, report): own.summary.mean},
        best.anchor,
    )
