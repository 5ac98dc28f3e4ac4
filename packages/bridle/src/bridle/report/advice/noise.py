"""What the study cannot tell, from the width of its intervals, and from the numbers of its seeds and rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bridle.report.advice.paths import versus_path
from bridle.report.advice.sentence import Advice
from bridle.report.averaging import finite
from bridle.report.diagnosis import row_noise
from bridle.report.narrative import judged, named, within_margin
from bridle.report.rows import Report
from bridle.results import HELPS, SAME, UNDECIDED

__all__ = ["below_noise", "few_rows", "one_seed"]

FEW_ROWS = 1000  # validation rows below which their number is worth a sentence


def one_seed(report: Report) -> Iterator[Advice]:
    """Say that one seed decides nothing."""
    if len(report.study.seeds) > 1 or len(report.rows) < 2:
        return
    yield Advice(
        "one seed",
        "One seed cannot tell a difference from noise: give --seeds 5 before taking any of these recipes.",
        {"seeds[0]": float(report.study.seeds[0])},
        "measured",
    )


def below_noise(report: Report) -> Iterator[Advice]:
    """Say what to do where nothing is shown to help: take the cheapest, and how many seeds would tell."""
    if not report.compared or judged(report, HELPS):
        return
    base = report.baseline
    undecided, same = judged(report, UNDECIDED), judged(report, SAME)
    if same and not undecided:
        row, its = same[0]
        yield Advice(
            "same",
            f"Take {base.written}, the simplest: {named([each.written for each, _ in same])} "
            f"{'is' if len(same) == 1 else 'are'} {within_margin(report, same)}.",
            {f"{versus_path(row)}.low": its.versus.low, f"{versus_path(row)}.high": its.versus.high},
            row.anchor,
        )
        return
    if not undecided:
        return
    row, its = undecided[0]
    smallest = its.versus.smallest
    shows = (
        f"; {report.seeds} show a difference of {its.metric.size(smallest)} in 80 % of cases"
        if math.isfinite(smallest)
        else ""
    )
    wanted = len(report.study.seeds) + (its.more_seeds or 0)
    tell = f", and about {row.more_seeds} would tell {row.written} (--seeds {wanted})" if row.more_seeds else ""
    yield Advice(
        "below noise",
        f"Take {base.written}, the simplest: no recipe is shown to be better{shows}{tell}.",
        {f"{versus_path(row)}.difference": its.versus.difference, f"{versus_path(row)}.smallest": its.versus.smallest},
        row.anchor,
    )


def few_rows(report: Report) -> Iterator[Advice]:
    """Say where the number of rows leaves more in doubt than the recipes differ by, whatever the seeds."""
    rows, noise = report.data_rows("valid"), row_noise(report, "valid")
    accuracy = report.format("accuracy")
    if not 0 < rows < FEW_ROWS or not math.isfinite(noise) or report.study.splits.get("varies"):
        return
    known = finite(row.score("valid", accuracy).summary.mean for row in report.rows)
    apart = max(known) - min(known)
    if apart >= noise:
        return
    alike = f"lie within {accuracy.bare_size(apart)}" if apart else "have the same"
    yield Advice(
        "few rows",
        f"{rows} validation rows know an accuracy of {report.baseline.score('valid', accuracy).shown} only to within "
        f"{accuracy.size(noise)} (one row is {accuracy.bare_size(1 / rows)}), and all recipes here {alike}: whether "
        "that holds on other rows more seeds cannot say; other splits can (--split kfold, or --split repeated).",
        {
            "data.rows.valid": float(rows),
            "contenders[0].scores.valid.accuracy.mean": report.baseline.score("valid", accuracy).summary.mean,
        },
        "measured",
    )
