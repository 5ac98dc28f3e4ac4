"""What to take where a recipe helps, from its verdict, its test scores, its price and its calibration error."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.report.advice.paths import versus_path
from bridle.report.advice.sentence import Advice
from bridle.report.diagnosis import calibration, pair_difference
from bridle.report.formats import NOTHING
from bridle.report.narrative import certainty, judged, rows_words, winner
from bridle.report.rows import ContenderRow, Report
from bridle.results import HELPS, SPLIT_NAMES
from bridle_audit.wording import counted

__all__ = ["uncalibrated", "use_the_winner"]


def use_the_winner(report: Report) -> Iterator[Advice]:
    """Say which recipe helps, what the test rows say, and whether a cheaper one does as well."""
    row = winner(report)
    its = row.difference
    if its is None or its.versus.verdict != HELPS:
        return
    name = row.written
    yield Advice(
        "use",
        f"{name} helps: {report.measured} is {its.moved} ({certainty(report, its)}){on_test(report, row)}.",
        {f"{versus_path(row)}.difference": its.versus.difference, f"{versus_path(row)}.low": its.versus.low}
        | {f"{versus_path(row)}.high": its.versus.high},
        row.anchor,
    )
    yield from cheaper(report, row)


def on_test(report: Report, row: ContenderRow) -> str:
    """Say what the test rows have, and whether they go the same way."""
    ours, base = (each.score("test", report.metric) for each in (row, report.baseline))
    if NOTHING in (ours.shown, base.shown):
        return ""
    if report.is_better(ours.summary.mean, base.summary.mean):
        beside = rows_words(report, row, "test")
        return f", and {ours.shown} instead of {base.shown} on the test rows{f' ({beside})' if beside else ''}"
    return f"; the test rows do not confirm it, with {ours.shown} against {base.shown} of {report.baseline.written}"


def cheaper(report: Report, best: ContenderRow) -> Iterator[Advice]:
    """Name the cheapest contender that helps and of which no difference from the best is shown."""
    rivals = [row for row, _ in judged(report, HELPS) if row is not best]
    alike = []
    for row in rivals:
        pair = pair_difference(report, row.contender, best.contender)
        if pair and not pair.shown:
            alike.append(row)
    cheapest = min([best, *alike], key=lambda row: (len(row.contender.recipe), row.contender.seconds))
    if cheapest is best:
        return
    yield Advice(
        "cheaper",
        f"{cheapest.written} helps too, and no difference between it and {best.written} is shown: it is "
        f"the simpler of the two ({counted('regularizer', len(cheapest.contender.recipe))} against "
        f"{len(best.contender.recipe)}; {cheapest.seconds} a run against {best.seconds}).",
        {f"contenders[{cheapest.number}].seconds": cheapest.contender.seconds}
        | {f"contenders[{best.number}].seconds": best.contender.seconds},
        cheapest.anchor,
    )


def uncalibrated(report: Report) -> Iterator[Advice]:
    """Say where the winner's probabilities lie far from its accuracy."""
    seen = calibration(report, winner(report))
    if seen is None:
        return
    error = report.format("ece")
    yield Advice(
        "calibration",
        f"Probabilities of {seen.row.written} are off by {error.in_points(error.bare(seen.error))} on average "
        f"on the {SPLIT_NAMES[seen.split]} rows (so few rows alone would make {error.bare_size(seen.by_chance)} at "
        "most): do not take them as they are; LabelSmoothing, more regularization, or a calibration on rows of its own "
        "bring them nearer.",
        {f"contenders[{seen.row.number}].scores.{seen.split}.ece.mean": seen.error},
        "scores",
    )
