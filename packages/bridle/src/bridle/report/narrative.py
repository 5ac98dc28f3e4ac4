"""The results of a study in sentences.

Contenders are compared on the split of the study's paired differences, the validation rows; the test rows, which chose
nothing, give the number to quote.
"""

from __future__ import annotations

import math

from bridle.report.averaging import finite
from bridle.report.formats import NOTHING, bare, headed, joined, label, points, shown, signed
from bridle.report.series_style import styles
from bridle.results import Contender, Study, Versus
from bridle_audit.wording import counted

HELPS, HURTS, UNDECIDED = "helps", "hurts", "no difference shown"
SPLIT_NAMES = {"train": "training", "valid": "validation", "test": "test"}
NAMED = 3  # contenders named one by one in a sentence; the others are counted


def main_split(study: Study) -> str:
    """The split on which contenders are compared."""
    splits = [each.versus_baseline.split for each in study.contenders if each.versus_baseline]
    return splits[0] if splits else "valid"


def measured(study: Study, split: str | None = None) -> str:
    """The main metric with its split, that of the comparison unless said: "validation accuracy"."""
    split = split or main_split(study)
    return f"{SPLIT_NAMES.get(split, split)} {label(study.metric)}"


def judged(study: Study, verdict: str) -> list[tuple[str, Versus]]:
    """Names and differences of the contenders with that verdict, the greatest difference first."""
    found = [
        (style.name, contender.versus_baseline)
        for style, contender in zip(styles(study), study.contenders, strict=True)
        if contender.versus_baseline and contender.versus_baseline.verdict == verdict
    ]
    return sorted(found, key=lambda pair: -abs(pair[1].difference))


def verdicts(study: Study) -> list[str]:
    """One sentence for each contender that was compared with the baseline: its recipe, and what came out."""
    return [
        f"{contender.name}: {contender.versus_baseline.words}"
        for contender in study.contenders
        if contender.versus_baseline
    ]


def headline(study: Study) -> str:
    """The answer in one line."""
    helped, hurt = judged(study, HELPS), judged(study, HURTS)
    if helped:
        return f"{helped[0][0]} helps{' most' if len(helped) > 1 else ''}: {gain(helped[0][1])} {in_metric(study)}"
    if hurt:
        return f"Nothing helped, and {hurt[0][0]} hurts: {gain(hurt[0][1])} {in_metric(study)}"
    if judged(study, UNDECIDED):
        return f"No difference that {seeds_of(study)} can show"
    if len(study.contenders) > 1:
        return "Scores without a verdict: too few seeds to tell a difference from noise"
    name = styles(study)[0].name
    return f"{name}: {shown(study.metric, score(study, study.baseline))} {measured(study)}"


def in_metric(study: Study) -> str:
    """Returns what a difference is of: "of validation accuracy", or "in validation R²"."""
    return f"{'of' if study.metric == 'accuracy' else 'in'} {measured(study)}"


def gain(versus: Versus) -> str:
    """The difference with its sign and unit."""
    return points(versus.metric, signed(versus.metric, versus.difference))


def score(study: Study, contender: Contender, split: str | None = None) -> float:
    """The mean of the main metric on a split, that of the comparison unless said; nan where there is none."""
    summary = contender.scores.get(split or main_split(study), {}).get(study.metric)
    return summary.mean if summary else math.nan


def seeds_of(study: Study) -> str:
    """The seeds, counted: 1 seed, 5 seeds."""
    return counted("seed", len(study.seeds))


def lead(study: Study) -> list[str]:
    """The answer in paragraphs: which helped and by how much; what the test rows say; whether it is noise."""
    helped, hurt, open_ones = judged(study, HELPS), judged(study, HURTS), judged(study, UNDECIDED)
    if len(study.contenders) == 1:
        return [opening(study), "Only one recipe was trained, so there is nothing to compare it with."]
    if not (helped or hurt or open_ones):
        return [f"{opening(study)} {best_of(study)}", without_interval(study)]
    answer = [opening(study)]
    answer += [f"{listed(helped, 'is better than the baseline by')}."] if helped else []
    answer += [f"{listed(hurt, 'is worse than the baseline by')}."] if hurt else []
    answer += [what_could_be_seen(study, open_ones)] if open_ones else []
    answer += unpaired(study)
    return [" ".join(answer), *quotable(study, helped), noise(study, helped + hurt)]


def opening(study: Study) -> str:
    """Returns what was trained, and where the baseline stands."""
    base = shown(study.metric, score(study, study.baseline))
    reached = "has no finite score" if base == NOTHING else f"reached {base} {measured(study)}"
    several = len(study.contenders) > 1
    what = counted("recipe", len(study.contenders))
    trained = f"On {study.data.get('name', 'the data')}, {what} {'were' if several else 'was'} trained"
    baseline = f"the baseline, {study.baseline.name}," if several else study.baseline.name
    return f"{trained} with {seeds_of(study)}{' each' if several else ''}; {baseline} {reached}."


def listed(found: list[tuple[str, Versus]], differs: str) -> str:
    """Lists the differences: "A is better by 0.93 points (95 % interval 0.86 to 0.99), B by 0.16 (0.01 to 0.32)"."""
    first, *others = found[:NAMED]
    amount = points(first[1].metric, size(first[1]))
    parts = [f"{first[0]} {differs} {amount} ({certainty(first[1], '95 % interval ')})"]
    parts += [f"{name} by {size(versus)} ({certainty(versus, '')})" for name, versus in others]
    return joined([*parts, *more_than_named(found)])


def size(versus: Versus) -> str:
    """Returns how large a difference is, without its sign and unit."""
    return bare(versus.metric, abs(versus.difference))


def certainty(versus: Versus, what: str) -> str:
    """The interval of a difference's size, after ``what`` it is; or that every seed gave the same."""
    if versus.low == versus.high:
        return f"the same under each of {len(finite(versus.values))} seeds"
    low, high = (versus.low, versus.high) if versus.difference > 0 else (-versus.high, -versus.low)
    return f"{what}{bare(versus.metric, low)} to {bare(versus.metric, high)}"


def quotable(study: Study, helped: list[tuple[str, Versus]]) -> list[str]:
    """Returns what the contender that helped most scores on the test rows, if there are any."""
    if not helped:
        return []
    name = helped[0][0]
    ours = dict(zip((style.name for style in styles(study)), study.contenders, strict=True))[name]
    test, base = score(study, ours, "test"), score(study, study.baseline, "test")
    if not (math.isfinite(test) and math.isfinite(base)):
        return []
    scores = f"{shown(study.metric, test)} {label(study.metric)} against {shown(study.metric, base)}"
    return [f"On the test rows, which chose nothing, {name} has {scores} of the baseline."]


def noise(study: Study, shown_to_differ: list[tuple[str, Versus]]) -> str:
    """Returns a sentence on the noise in what was seen."""
    if not shown_to_differ:
        return f"Is it noise? It may well be: {seeds_of(study)} cannot tell any of these differences from none."
    compared = sum(each.versus_baseline is not None for each in study.contenders)
    several = len(shown_to_differ) > 1
    return (
        f"Is it noise? Hardly, as far as seeds go: {'these differ' if several else 'this differs'} by more than the "
        "seeds explain. But chance alone makes one comparison in twenty look like this, and there "
        f"{'were' if compared > 1 else 'was'} {compared}; and another draw of the data may give another answer."
    )


def unpaired(study: Study) -> list[str]:
    """Returns who has no verdict although others have."""
    names = [
        style.name
        for style, contender in zip(styles(study)[1:], study.contenders[1:], strict=True)
        if not contender.versus_baseline
    ]
    if not names:
        return []
    verb = "has" if len(names) == 1 else "have"
    return [f"{joined(names)} {verb} no verdict: fewer than two finished runs can be paired with the baseline's."]


def what_could_be_seen(study: Study, found: list[tuple[str, Versus]]) -> str:
    """Returns which contenders are undecided, and how large a difference would have been seen."""
    names = joined([*(name for name, _ in found[:NAMED]), *more_than_named(found)])
    sizes = [v.smallest for _, v in found if math.isfinite(v.smallest) and v.smallest > 0]
    if not sizes:
        return f"For {names} no difference can be shown."
    metric = study.metric
    low, high = (signed(metric, size).lstrip("+") for size in (min(sizes), max(sizes)))
    size = points(metric, low if low == high else f"{low} to {high}")
    return f"For {names} no difference can be shown: {seeds_of(study)} would have shown one of {size} or more."


def more_than_named(found: list[tuple[str, Versus]]) -> list[str]:
    """The count of those that a sentence does not name, if any."""
    return [counted("other", len(found) - NAMED)] if len(found) > NAMED else []


def best_of(study: Study) -> str:
    """The contender with the highest score."""
    scored = [(score(study, each), style.name) for style, each in zip(styles(study), study.contenders, strict=True)]
    known = [pair for pair in scored if math.isfinite(pair[0])]
    if not known:
        return "No contender has a finite score."
    best, name = max(known)
    return f"The highest {measured(study)} is {name}'s, {shown(study.metric, best)}."


def without_interval(study: Study) -> str:
    """Returns why there is no verdict."""
    few = "one seed" if len(study.seeds) == 1 else "too few runs that can be paired with the baseline's"
    return f"Is it noise? {headed(few)} cannot tell."


def cautions(study: Study) -> list[str]:
    """Returns what a reader must know before trusting the numbers: what is missing, and what went wrong."""
    done = sum(len(contender.runs) for contender in study.contenders)
    unfinished = f"This study is not finished ({counted('run', done)} so far); the same command goes on with the rest."
    return [*([] if study.finished else [unfinished]), *study.notices]
