"""What a study shows, in sentences.

Contenders are compared on the split of the study's paired differences, the validation rows; the test rows, which chose
nothing, give the number to quote.
"""

from __future__ import annotations

import math

from bridle.report.averages import finite
from bridle.report.formats import NOTHING, interval, joined, label, points, shown, signed
from bridle.report.looks import looks
from bridle.results import Contender, Study, Versus

HELPS, HURTS = "helps", "hurts"
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
        (look.name, contender.versus_baseline)
        for look, contender in zip(looks(study), study.contenders, strict=True)
        if contender.versus_baseline and contender.versus_baseline.verdict == verdict
    ]
    return sorted(found, key=lambda pair: -abs(pair[1].difference))


def undecided(study: Study) -> list[tuple[str, Versus]]:
    """Names and differences of the contenders whose interval holds zero, or could not be computed."""
    return [
        (look.name, contender.versus_baseline)
        for look, contender in zip(looks(study), study.contenders, strict=True)
        if contender.versus_baseline and contender.versus_baseline.verdict not in (HELPS, HURTS)
    ]


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
    if undecided(study):
        return f"No difference that {seeds_of(study)} can show"
    if len(study.contenders) > 1:
        return "Scores without a verdict: too few seeds to tell a difference from noise"
    name = looks(study)[0].name
    return f"{name}: {shown(study.metric, score(study, study.baseline))} {measured(study)}"


def in_metric(study: Study) -> str:
    """What a difference is of: "of validation accuracy", or "in validation R²"."""
    return f"{'of' if study.metric == 'accuracy' else 'in'} {measured(study)}"


def gain(versus: Versus) -> str:
    """The difference with its sign and unit."""
    return points(versus.metric, signed(versus.metric, versus.difference))


def score(study: Study, contender: Contender, split: str | None = None) -> float:
    """The mean of the main metric on a split, that of the comparison unless said; nan where there is none."""
    summary = contender.scores.get(split or main_split(study), {}).get(study.metric)
    return summary.mean if summary else math.nan


def seeds_of(study: Study) -> str:
    """ "1 seed", "5 seeds"."""
    return counted("seed", len(study.seeds))


def counted(noun: str, number: int) -> str:
    """A number with its noun, in the plural where it is not one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def lead(study: Study) -> list[str]:
    """The answer in a paragraph of sentences: which helped, by how much, and whether that is noise."""
    sentences = [opening(study)]
    if len(study.contenders) == 1:
        return [*sentences, "Only one recipe was trained, so there is nothing to compare it with."]
    helped, hurt, open_ones = judged(study, HELPS), judged(study, HURTS), undecided(study)
    if not (helped or hurt or open_ones):
        return [*sentences, best_of(study), without_interval(study)]
    if helped:
        sentences.append(f"{listed(helped)} {verb('helps', 'help', helped)}.")
        sentences.extend(quotable(study, helped[0][0]))
    if hurt:
        sentences.append(f"{listed(hurt)} {verb('hurts', 'hurt', hurt)}.")
    if not helped and not hurt:
        sentences.append("None of the recipes made a difference that can be told from noise.")
    if open_ones:
        sentences.append(what_could_be_seen(study, open_ones))
    if helped or hurt:
        sentences.append(
            "Is it noise? Were there no difference at all, one comparison in twenty would still look like this; "
            "the intervals tell how large the difference may be under other seeds."
        )
    return sentences


def opening(study: Study) -> str:
    """What was trained, and where the baseline stands."""
    base = shown(study.metric, score(study, study.baseline))
    reached = "has no finite score" if base == NOTHING else f"reached {base} {measured(study)}"
    data = str(study.data.get("name", "the data"))
    trained = f"On {data}, {counted('recipe', len(study.contenders))} {'was' if len(study.contenders) == 1 else 'were'}"
    return (
        f"{trained} trained with {seeds_of(study)} under one protocol; the baseline, {study.baseline.name}, {reached}."
    )


def listed(found: list[tuple[str, Versus]]) -> str:
    """Names with their differences and intervals."""
    parts = [f"{name} ({gain(v)}, {certainty(v)})" for name, v in found[:NAMED]]
    more = len(found) - NAMED
    return joined([*parts, counted("other", more)] if more > 0 else parts)


def certainty(versus: Versus) -> str:
    """The interval of a difference, or that every seed gave the same."""
    if versus.low == versus.high:
        return f"the same under each of {len(finite(versus.values))} seeds"
    return f"95 % interval {interval(versus.metric, versus.low, versus.high)}"


def quotable(study: Study, name: str) -> list[str]:
    """What the named contender scores on the test rows, if there are any."""
    ours = dict(zip((look.name for look in looks(study)), study.contenders, strict=True))[name]
    test, base = score(study, ours, "test"), score(study, study.baseline, "test")
    if not (math.isfinite(test) and math.isfinite(base)):
        return []
    scores = f"{shown(study.metric, test)} against {shown(study.metric, base)}"
    return [f"On the test rows, which chose nothing, {name} scores {scores} {label(study.metric)} of the baseline."]


def verb(one: str, several: str, found: list[tuple[str, Versus]]) -> str:
    """The verb for as many."""
    return one if len(found) == 1 else several


def what_could_be_seen(study: Study, found: list[tuple[str, Versus]]) -> str:
    """Which contenders are undecided, and how large a difference would have been seen."""
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
    scored = [(score(study, each), look.name) for look, each in zip(looks(study), study.contenders, strict=True)]
    known = [pair for pair in scored if math.isfinite(pair[0])]
    if not known:
        return "No contender has a finite score."
    best, name = max(known)
    return f"The highest {measured(study)} is {name}'s, {shown(study.metric, best)}."


def without_interval(study: Study) -> str:
    """Why there is no verdict, and what would give one."""
    if len(study.seeds) < 2:
        return "One seed says nothing about noise: train with several, --seeds 5, to see whether a difference is real."
    return "Too few seeds were finished in both a recipe and the baseline to say whether a difference is noise."


def cautions(study: Study) -> list[str]:
    """What a reader must know before trusting the numbers: what is missing, and what went wrong."""
    done = sum(len(contender.runs) for contender in study.contenders)
    unfinished = f"This study is not finished ({counted('run', done)} so far); the same command goes on with the rest."
    return [*([] if study.finished else [unfinished]), *study.notices]
