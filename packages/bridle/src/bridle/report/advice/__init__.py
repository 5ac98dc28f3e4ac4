"""What to do next: sentences that rest on measured numbers of a study, each with the numbers and where they stand.

A sentence says that a recipe helps or hurts only where its verdict says so, and is left out where its numbers do not
carry it. The order of ``RULES`` is that of urgency: what spoils every other answer comes first. Each file has the rules
that look at the same numbers; ``bridle.report.diagnosis`` says what the numbers show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from bridle.report.advice.noise import below_noise, few_rows, one_seed
from bridle.report.advice.paths import score_path
from bridle.report.advice.penalties import coupled_decay, sparse_or_small, too_weak
from bridle.report.advice.references import against_references, below_the_constant
from bridle.report.advice.sentence import Advice as Advice
from bridle.report.advice.training import closes_the_gap, lost_runs, noisy_labels, underfits
from bridle.report.advice.units import silent_units
from bridle.report.advice.winner import uncalibrated, use_the_winner
from bridle.report.formats import NOTHING
from bridle.report.rows import Report
from bridle.results import Study


def advice(study: Study) -> list[Advice]:
    """Return what the numbers of a study advise, the most urgent first; always at least one sentence."""
    report = Report.of(study)
    found = [each for rule in RULES for each in rule(report)]
    return [with_known_numbers(each) for each in found or [nothing_to_say(report)]]


def with_known_numbers(advised: Advice) -> Advice:
    """Return the advice without the numbers that are not finite, which no study has."""
    return replace(advised, numbers={path: value for path, value in advised.numbers.items() if math.isfinite(value)})


def nothing_to_say(report: Report) -> Advice:
    """Say that there is nothing to advise, with the baseline's score as far as there is one."""
    base = report.baseline
    score = base.score(report.split, report.metric)
    if score.shown == NOTHING:
        return Advice(
            "nothing",
            f"Nothing to advise: {base.written} has no finite score to measure others by.",
            {"seeds[0]": float(report.study.seeds[0])},
            base.anchor,
        )
    return Advice(
        "nothing",
        f"Nothing to advise from these numbers: {report.measured} of {base.written} is {score.shown}, and no "
        "recipe stands out.",
        {score_path(base, report.split, report): score.summary.mean},
        base.anchor,
    )


RULES: tuple[Callable[[Report], Iterator[Advice]], ...] = (
    below_the_constant,
    underfits,
    use_the_winner,
    one_seed,
    closes_the_gap,
    below_noise,
    against_references,
    few_rows,
    noisy_labels,
    sparse_or_small,
    coupled_decay,
    silent_units,
    lost_runs,
    too_weak,
    uncalibrated,
)
