"""What penalties do to weights, from their verdicts and how they differ from each other."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.report.advice.paths import score_path, versus_path
from bridle.report.advice.sentence import Advice
from bridle.report.diagnosis import pair_difference
from bridle.report.narrative import judged
from bridle.report.rows import TOO_WEAK, ContenderRow, Difference, Report
from bridle.results import HELPS, SAME, UNDECIDED

__all__ = ["coupled_decay", "sparse_or_small", "too_weak"]

SPARSE = ("L1", "ElasticNet", "GroupLasso", "SoftThreshold", "GroupSoftThreshold")  # set weights to zero
SHRINKING = ("L2", "WeightDecay")  # make weights small
ADAPTIVE = ("adam", "adamw")


def sparse_or_small(report: Report) -> Iterator[Advice]:
    """Say where setting weights to zero is better than shrinking them: inputs may be redundant."""
    sparse = [row for row, _ in judged(report, HELPS) if only(row, SPARSE)]
    small = [row for row in report.rows if only(row, SHRINKING) and row.difference]
    if not sparse or not small:
        return
    ours, theirs = sparse[0], small[0]
    pair = pair_difference(report, ours.contender, theirs.contender)
    if pair is None or not pair.shown or not report.is_better(pair.mean, 0.0):
        return
    metric = report.metric
    yield Advice(
        "redundant features",
        f"{ours.written} is better than {theirs.written} by {metric.size(abs(pair.mean))} of "
        f"{report.measured}: what sets weights to zero gains more than what shrinks them, so some inputs may be "
        "redundant; try fewer of them.",
        {score_path(each, "valid", report): each.score("valid", metric).summary.mean for each in (ours, theirs)},
        ours.anchor,
    )


def coupled_decay(report: Report) -> Iterator[Advice]:
    """Say that L2 and weight decay are two things under Adam, where both were tried and came off differently."""
    if report.study.protocol.get("optimizer") not in ADAPTIVE:
        return
    pairs = [
        next(((row, its) for row, its in report.compared if only(row, (name,))), None) for name in ("L2", "WeightDecay")
    ]
    if pairs[0] is None or pairs[1] is None:
        return
    (l2, ours), (decay, theirs) = pairs[0], pairs[1]
    apart = pair_difference(report, l2.contender, decay.contender)
    if l2.verdict_word == decay.verdict_word or apart is None or not apart.shown:
        return
    optimizer = str(report.study.protocol["optimizer"]).replace("adam", "Adam").replace("Adamw", "AdamW")
    yield Advice(
        "coupled decay",
        f"L2 and weight decay are not the same under {optimizer}, which rescales a penalty's gradient with the loss's: "
        f"here {said(l2, ours)} and {said(decay, theirs)}; a strength of one says nothing about the other.",
        {f"{versus_path(row)}.difference": its.versus.difference for row, its in ((l2, ours), (decay, theirs))},
        l2.anchor,
    )


def said(row: ContenderRow, its: Difference) -> str:
    """Say a contender's verdict with its number: "L2(strength=0.01) helps (−0.19)"."""
    words = {SAME: "is the same within the margin", UNDECIDED: "cannot be told yet", TOO_WEAK: f"is {TOO_WEAK}"}
    return f"{row.written} {words.get(row.verdict_word, row.verdict_word)} ({its.in_points})"


def too_weak(report: Report) -> Iterator[Advice]:
    """Say which contenders could change nothing."""
    for row in report.rows:
        if row.is_too_weak and row.difference:
            yield Advice(
                "too weak",
                f"{row.written} is {row.contender.too_weak.rstrip('.')}; a stronger one, or --tune 20, would say more.",
                {f"{versus_path(row)}.difference": row.difference.versus.difference},
                row.anchor,
            )


def only(row: ContenderRow, names: tuple[str, ...]) -> bool:
    """Return whether a recipe is one regularizer of these."""
    return len(row.contender.recipe) == 1 and row.contender.recipe[0].get("name") in names
