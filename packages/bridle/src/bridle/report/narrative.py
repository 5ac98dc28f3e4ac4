"""The results of a study in sentences.

Contenders are compared on the split of the study's paired differences, the validation rows; the test rows, which chose
nothing, give the number to quote.
"""

from __future__ import annotations

import math

from bridle.report.averaging import finite
from bridle.report.formats import NOTHING, MetricFormat, headed, joined
from bridle.report.rows import Difference, Report
from bridle.results import HELPS, HURTS, UNDECIDED, Study
from bridle_audit.wording import counted

__all__ = ["cautions", "headline", "lead", "verdicts"]

NAMED = 3  # contenders named one by one in a sentence; the others are counted
Named = tuple[str, Difference]  # a contender's name and its difference to the baseline


def judged(report: Report, verdict: str) -> list[Named]:
    """Return the contenders with that verdict, the greatest difference first."""
    found = [(row.name, its) for row, its in report.compared if its.versus.verdict == verdict]
    return sorted(found, key=lambda pair: -abs(pair[1].versus.difference))


def verdicts(study: Study) -> list[str]:
    """Return a sentence for each contender that was compared with the baseline: its recipe and its verdict."""
    return [
        f"{contender.name}: {contender.versus_baseline.words}"
        for contender in study.contenders
        if contender.versus_baseline
    ]


def headline(report: Report) -> str:
    """Answer in one line which recipe helps."""
    helped, hurt = judged(report, HELPS), judged(report, HURTS)
    if helped:
        return f"{helped[0][0]} helps{' most' if len(helped) > 1 else ''}: {gain(report, helped[0][1])}"
    if hurt:
        return f"Nothing helped, and {hurt[0][0]} hurts: {gain(report, hurt[0][1])}"
    if judged(report, UNDECIDED):
        return f"No difference that {report.seeds} can show"
    if len(report.rows) > 1:
        return "Scores without a verdict: too few seeds to tell a difference from noise"
    reached = report.baseline.score(report.split, report.metric).shown
    return f"{report.baseline.name}: {reached} {report.measured}"


def gain(report: Report, difference: Difference) -> str:
    """Say a difference with its metric: "+0.61 points of validation accuracy", "+0.010 in validation R²"."""
    return f"{difference.in_points} {'of' if report.metric.name == 'accuracy' else 'in'} {report.measured}"


def lead(report: Report) -> list[str]:
    """Answer in paragraphs which recipes helped, by how much, what the test rows say, and whether it is noise."""
    helped, hurt, undecided = (judged(report, verdict) for verdict in (HELPS, HURTS, UNDECIDED))
    if len(report.rows) == 1:
        return [opening(report), "Only one recipe was trained, so there is nothing to compare it with."]
    if not (helped or hurt or undecided):
        return [f"{opening(report)} {best_of(report)}", without_interval(report)]
    answer = [opening(report)]
    answer += [f"{listed(helped, 'is better than the baseline by')}."] if helped else []
    answer += [f"{listed(hurt, 'is worse than the baseline by')}."] if hurt else []
    answer += [smallest_shown(report, undecided)] if undecided else []
    answer += unpaired(report)
    return [" ".join(answer), *quote_test_scores(report, helped), noise(report, helped + hurt)]


def opening(report: Report) -> str:
    """Open with the data, the number of recipes and seeds, and the baseline's score."""
    base = report.baseline.score(report.split, report.metric).shown
    reached = "has no finite score" if base == NOTHING else f"reached {base} {report.measured}"
    several = len(report.rows) > 1
    trained = (
        f"On {report.study.data.get('name', 'the data')}, {counted('recipe', len(report.rows))} "
        f"{'were' if several else 'was'} trained"
    )
    name = report.baseline.contender.name
    baseline = f"the baseline, {name}," if several else name
    return f"{trained} with {report.seeds}{' each' if several else ''}; {baseline} {reached}."


def listed(found: list[Named], differs: str) -> str:
    """List the differences: "A is better by 0.93 points (95 % interval 0.86 to 0.99), B by 0.16 (0.01 to 0.32)"."""
    (first, largest), *others = found[:NAMED]
    amount = MetricFormat(largest.versus.metric).in_points(largest.size)
    parts = [f"{first} {differs} {amount} ({certainty(largest, '95 % interval ')})"]
    parts += [f"{name} by {difference.size} ({certainty(difference, '')})" for name, difference in others]
    return joined([*parts, *more_than_named(found)])


def certainty(difference: Difference, what: str) -> str:
    """Say the interval of a difference's size, after ``what`` it is; or that every seed gave the same."""
    versus = difference.versus
    if versus.low == versus.high:
        return f"the same under each of {len(finite(versus.values))} seeds"
    return f"{what}{difference.size_interval}"


def quote_test_scores(report: Report, helped: list[Named]) -> list[str]:
    """Quote the test score of the contender that helped most beside the baseline's, if there are test rows."""
    if not helped:
        return []
    name = helped[0][0]
    row = next(row for row in report.rows if row.name == name)
    test, base = (each.score("test", report.metric).shown for each in (row, report.baseline))
    if NOTHING in (test, base):
        return []
    scores = f"{test} {report.metric.label} against {base}"
    return [f"On the test rows, which chose nothing, {name} has {scores} of the baseline."]


def noise(report: Report, shown_to_differ: list[Named]) -> str:
    """Say whether the differences may be noise."""
    if not shown_to_differ:
        return f"Is it noise? It may well be: {report.seeds} cannot tell any of these differences from none."
    compared = len(report.compared)
    several = len(shown_to_differ) > 1
    return (
        f"Is it noise? Hardly, as far as seeds go: {'these differ' if several else 'this differs'} by more than the "
        "seeds explain. But chance alone makes one comparison in twenty look like this, and there "
        f"{'were' if compared > 1 else 'was'} {compared}; and another draw of the data may give another answer."
    )


def unpaired(report: Report) -> list[str]:
    """Name the contenders without a verdict, although others have one."""
    names = [row.name for row in report.rows[1:] if not row.difference]
    if not names:
        return []
    verb = "has" if len(names) == 1 else "have"
    return [f"{joined(names)} {verb} no verdict: fewer than two finished runs can be paired with the baseline's."]


def smallest_shown(report: Report, undecided: list[Named]) -> str:
    """Name the undecided contenders, and the smallest difference that would have been shown."""
    names = joined([*(name for name, _ in undecided[:NAMED]), *more_than_named(undecided)])
    sizes = [each.versus.smallest for _, each in undecided]
    known = [size for size in sizes if math.isfinite(size) and size > 0]
    if not known:
        return f"For {names} no difference can be shown."
    low, high = (report.metric.bare(size) for size in (min(known), max(known)))
    size = report.metric.in_points(low if low == high else f"{low} to {high}")
    return f"For {names} no difference can be shown: {report.seeds} would have shown one of {size} or more."


def more_than_named(found: list[Named]) -> list[str]:
    """Count those that a sentence does not name, if any."""
    return [counted("other", len(found) - NAMED)] if len(found) > NAMED else []


def best_of(report: Report) -> str:
    """Name the contender with the highest score."""
    scored = [(row.score(report.split, report.metric), row.name) for row in report.rows]
    known = [(score.summary.mean, name, score.shown) for score, name in scored if math.isfinite(score.summary.mean)]
    if not known:
        return "No contender has a finite score."
    _, name, best = max(known)
    return f"The highest {report.measured} is {name}'s, {best}."


def without_interval(report: Report) -> str:
    """Say why no verdict can be given."""
    few = "one seed" if len(report.study.seeds) == 1 else "too few runs that can be paired with the baseline's"
    return f"Is it noise? {headed(few)} cannot tell."


def cautions(study: Study) -> list[str]:
    """Warn of runs that are missing, and of all that the study gives notice of."""
    done = sum(len(contender.runs) for contender in study.contenders)
    unfinished = f"This study is not finished ({counted('run', done)} so far); the same command goes on with the rest."
    return [*([] if study.finished else [unfinished]), *study.notices]
