"""What to do next: sentences that rest on measured numbers of a study, each with the numbers and where they stand.

A sentence says that a recipe helps or hurts only where its verdict says so, and is left out where its numbers do not
carry it. The order is that of urgency: what spoils every other answer comes first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bridle.report.averaging import finite
from bridle.report.diagnosis import (
    below_constant,
    best_of,
    better_reference,
    calibration,
    constant_reference,
    dead_outputs,
    memorizing,
    overfitting,
    pair_difference,
    row_noise,
    silent_layer,
    too_short,
    underfitting,
)
from bridle.report.formats import NOTHING, significant
from bridle.report.narrative import certainty, judged, named, rows_words, winner, within_margin
from bridle.report.rows import ContenderRow, Difference, Report
from bridle.results import HELPS, HURTS, SAME, SPLIT_NAMES, UNDECIDED, Study
from bridle_audit.wording import counted

__all__ = ["Advice", "advice"]

SPARSE = ("L1", "ElasticNet", "GroupLasso", "SoftThreshold", "GroupSoftThreshold")  # set weights to zero
SHRINKING = ("L2", "WeightDecay")  # make weights small
ADAPTIVE = ("adam", "adamw")
FEW_ROWS = 1000  # validation rows below which their number is worth a sentence
HUNDRED = 100


@dataclass(frozen=True)
class Advice:
    """One sentence of advice, the numbers that it rests on by their path in study.json, and where the page has them."""

    topic: str  # such as "underfits"
    sentence: str
    numbers: dict[str, float]
    anchor: str  # the id of an element of the page

    @property
    def key(self) -> str:
        """The path in study.json of the first number: "contenders[2].versus_baseline.difference"."""
        return next(iter(self.numbers))

    @property
    def value(self) -> float:
        """The first number."""
        return self.numbers[self.key]


def advice(study: Study) -> list[Advice]:
    """Return what the numbers of a study advise, the most urgent first; always at least one sentence."""
    report = Report.of(study)
    found = [each for rule in RULES for each in rule(report)]
    return [with_known_numbers(each) for each in found or [nothing_to_say(report)]]


def with_known_numbers(advised: Advice) -> Advice:
    """Return the advice without the numbers that are not finite, which no study has."""
    return replace(advised, numbers={path: value for path, value in advised.numbers.items() if math.isfinite(value)})


def below_the_constant(report: Report) -> Iterator[Advice]:
    """Say which contenders are worse than answering the same for every row."""
    constant, below = constant_reference(report), below_constant(report)
    if not constant or not below:
        return
    level = constant.score("valid", report.metric)
    names = named([row.contender.name for row in below])
    verb = "is" if len(below) == 1 else "are"
    yield Advice(
        "below the constant",
        f"{names} {verb} worse than the {constant.name}, {level.shown} {report.metric.label_on('valid')}: what "
        f"{'it answers is' if len(below) == 1 else 'they answer is'} not to be used, whatever the verdicts beside it.",
        {score_path(row, "valid", report): row.score("valid", report.metric).summary.mean for row in below}
        | {reference_path(constant.number, "valid", report): level.summary.mean},
        constant.anchor,
    )


def underfits(report: Report) -> Iterator[Advice]:
    """Say that training is too short, or the network too small, before any recipe is blamed."""
    short, gap, metric = too_short(report), underfitting(report), report.metric
    if short:
        runs = report.baseline.contender.runs
        paths = length_paths(report, short.longest)
        yield Advice(
            "underfits",
            f"Train longer before judging any recipe: {short.longest} epochs, the most that were tried, still take "
            f"{metric.label_on('valid')} of {report.baseline.contender.name} from {metric.shown(short.score_before)} "
            f"to {metric.shown(short.score)} ({counted('run', len(runs))}); give --epochs {2 * short.longest}, a "
            "higher learning rate, or a wider network.",
            paths,
            "lengths",
        )
    if gap:
        yield Advice(
            "underfits",
            f"Regularization is not the problem: {metric.label} of {report.baseline.contender.name} is "
            f"{metric.shown(gap.train)} on the training rows, no better than {metric.shown(gap.valid)} on the "
            "validation rows, so there is no overfitting to close; a wider network, longer training or a higher "
            "learning rate may gain more.",
            baseline_scores(report),
            "gap",
        )


def use_the_winner(report: Report) -> Iterator[Advice]:
    """Say which recipe helps, what the test rows say, and whether a cheaper one does as well."""
    row = winner(report)
    its = row.difference
    if its is None or its.versus.verdict != HELPS:
        return
    name = row.contender.name
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
    return (
        f"; the test rows do not confirm it, with {ours.shown} against {base.shown} of {report.baseline.contender.name}"
    )


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
        f"{cheapest.contender.name} helps too, and no difference between it and {best.contender.name} is shown: it is "
        f"the simpler of the two ({counted('regularizer', len(cheapest.contender.recipe))} against "
        f"{len(best.contender.recipe)}; {cheapest.seconds} a run against {best.seconds}).",
        {f"contenders[{cheapest.number}].seconds": cheapest.contender.seconds}
        | {f"contenders[{best.number}].seconds": best.contender.seconds},
        cheapest.anchor,
    )


def closes_the_gap(report: Report) -> Iterator[Advice]:
    """Say that the baseline overfits, and how much of its gap the best recipe that helps closes."""
    gap, metric = overfitting(report), report.metric
    if gap is None:
        return
    base, row = report.baseline, winner(report)
    opening = (
        f"{base.contender.name} overfits: {metric.label} {metric.shown(gap.train)} on the training rows, "
        f"{metric.shown(gap.valid)} on the validation rows"
    )
    numbers = baseline_scores(report)
    if row is base:
        if report.compared:
            yield Advice(
                "overfits",
                f"{opening}; no recipe that was tried is shown to help: try stronger ones (--tune 20 searches their "
                "strengths), or more rows.",
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
        f"{opening}; {row.contender.name} closes {percent(closed)} of that gap, from {metric.bare(gap.size)} to "
        f"{metric.in_points(metric.bare(ours))}.",
        {f"contenders[{base.number}].gap": base.contender.gap, f"contenders[{row.number}].gap": row.contender.gap},
        "gap",
    )


def percent(share: float) -> str:
    """Write a share in whole percent; beyond 1 for a gap that has turned around.

    >>> percent(0.724), percent(0.9999)
    ('72 %', 'all')
    """
    return "all" if round(HUNDRED * share) >= HUNDRED else f"{round(HUNDRED * share)} %"


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
            f"Take {base.contender.name}, the simplest: {named([each.contender.name for each, _ in same])} "
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
        f"; {report.seeds} show one of {its.metric.size(smallest)} in 80 % of cases" if math.isfinite(smallest) else ""
    )
    more = its.more_seeds
    wanted = len(report.study.seeds) + (more or 0)
    tell = f", and {more:,} more seeds would tell {row.contender.name} (--seeds {wanted})" if more else ""
    yield Advice(
        "below noise",
        f"Take {base.contender.name}, the simplest: no recipe is shown to be better{shows}{tell}.",
        {f"{versus_path(row)}.difference": its.versus.difference, f"{versus_path(row)}.smallest": its.versus.smallest},
        row.anchor,
    )


def against_references(report: Report) -> Iterator[Advice]:
    """Say plainly where a reference beats every contender."""
    best, split = better_reference(report), report.quoted_split
    ours = best_of(report, report.rows, split)
    if best is None or ours is None:
        return
    theirs, own = (row.score(split, report.metric) for row in (best, ours))
    if theirs.mean == own.mean:
        return
    yield Advice(
        "reference wins",
        f"The {best.name} beats every recipe here: {report.metric.label_on(split)} {theirs.shown} against {own.shown} "
        f"of {ours.contender.name}, the best of them; take it, or tune the network (--tune 20) before you do not.",
        {reference_path(best.number, split, report): theirs.summary.mean}
        | {score_path(ours, split, report): own.summary.mean},
        best.anchor,
    )


def few_rows(report: Report) -> Iterator[Advice]:
    """Say where the number of rows leaves more in doubt than the recipes differ by, whatever the seeds."""
    rows, noise = report.data_rows("valid"), row_noise(report, "valid")
    accuracy = report.format("accuracy")
    if not 0 < rows < FEW_ROWS or not math.isfinite(noise) or report.study.splits.get("varies"):
        return
    known = finite(row.score("valid", accuracy).summary.mean for row in report.rows)
    if max(known) - min(known) >= noise:
        return
    yield Advice(
        "few rows",
        f"{rows} validation rows know an accuracy of {report.baseline.score('valid', accuracy).shown} only to within "
        f"{HUNDRED * noise:.2g} points (one row is {HUNDRED / rows:.2g}), and all recipes here lie within "
        f"{HUNDRED * (max(known) - min(known)):.2g}: whether that holds on other rows more seeds cannot say; other "
        "splits can (--split kfold, or --split repeated).",
        {
            "data.rows.valid": float(rows),
            "contenders[0].scores.valid.accuracy.mean": report.baseline.score("valid", accuracy).summary.mean,
        },
        "measured",
    )


def noisy_labels(report: Report) -> Iterator[Advice]:
    """Say that training rows are learnt by heart, which wrong labels look like."""
    seen = memorizing(report)
    if seen is None:
        return
    accuracy = report.format("accuracy")
    rising = f"its validation loss goes from {significant(seen.lowest_loss)} up to {significant(seen.last_loss)}"
    yield Advice(
        "memorizes",
        f"{report.baseline.contender.name} learns its training rows by heart: {accuracy.shown(seen.train_accuracy)} of "
        f"them are right after the last epoch, {accuracy.shown(seen.valid_accuracy)} of the validation rows, and "
        f"{rising}. Wrong labels look like this, and so do classes that overlap: look at training rows that a "
        "regularized run gets wrong.",
        curve_numbers(report, ("train_accuracy", "valid_accuracy", "valid_loss")),
        "curves",
    )


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
        f"{ours.contender.name} is better than {theirs.contender.name} by {metric.size(abs(pair.mean))} of "
        f"{report.measured}: what sets weights to zero gains more than what shrinks them, so some inputs may be "
        "redundant; try fewer of them.",
        {score_path(each, "valid", report): each.score("valid", metric).summary.mean for each in (ours, theirs)},
        ours.anchor,
    )


def only(row: ContenderRow, names: tuple[str, ...]) -> bool:
    """Return whether a recipe is one regularizer of these."""
    return len(row.contender.recipe) == 1 and row.contender.recipe[0].get("name") in names


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
    if ours.versus.verdict == theirs.versus.verdict or apart is None or not apart.shown:
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
    words = {HELPS: "helps", HURTS: "hurts", SAME: "is the same within the margin", UNDECIDED: "cannot be told yet"}
    return f"{row.contender.name} {words.get(its.versus.verdict, 'has no verdict')} ({its.in_points})"


def silent_units(report: Report) -> Iterator[Advice]:
    """Say where outputs or many hidden units are the same for every training row."""
    for each in dead_outputs(report):
        name = each.row.contender.name
        seen = [
            (number, run)
            for number, run in enumerate(each.row.contender.runs)
            if run.layers and run.layers[-1].dead_units and run.diverged_at is None
        ]
        yield Advice(
            "dead outputs",
            f"{name} has dead outputs in {each.runs} of {counted('run', len(each.row.contender.runs))}: up to "
            f"{each.dead} of {each.outputs} are the same for every training row, so that a class cannot be told; "
            "take a lower learning rate, or no ReLU behind the last layer.",
            {
                f"contenders[{each.row.number}].runs[{number}].layers[{len(run.layers) - 1}].dead_units": float(
                    run.layers[-1].dead_units
                )
                for number, run in seen
            },
            "dead",
        )
    for row in report.rows:
        layer = silent_layer(row)
        if layer:
            yield Advice(
                "dead units",
                f"{row.contender.name}: {significant(layer[1])} of {layer[2]} units of {layer[0]} are silent on every "
                "training row (mean over the seeds): a lower learning rate or a norm keeps more of them at work.",
                {f"contenders[{row.number}].dead_units": row.contender.dead_units},
                "dead",
            )


def too_weak(report: Report) -> Iterator[Advice]:
    """Say which contenders could change nothing."""
    for row in report.rows:
        if row.contender.too_weak and row.difference:
            yield Advice(
                "too weak",
                f"{row.contender.name} is {row.contender.too_weak.rstrip('.')}; a stronger one, or --tune 20, would "
                "say more.",
                {f"{versus_path(row)}.difference": row.difference.versus.difference},
                row.anchor,
            )


def uncalibrated(report: Report) -> Iterator[Advice]:
    """Say where the winner's probabilities lie far from its accuracy."""
    seen = calibration(report, winner(report))
    if seen is None:
        return
    yield Advice(
        "calibration",
        f"Probabilities of {seen.row.contender.name} are off by {HUNDRED * seen.error:.1f} points on average on the "
        f"{SPLIT_NAMES[seen.split]} rows (so few rows alone would make {HUNDRED * seen.by_chance:.1f} at most): do not "
        "take them as they are; LabelSmoothing, more regularization, or a calibration on rows of its own bring them "
        "nearer.",
        {f"contenders[{seen.row.number}].scores.{seen.split}.ece.mean": seen.error},
        "scores",
    )


def lost_runs(report: Report) -> Iterator[Advice]:
    """Say which contenders diverged."""
    for row in report.rows:
        lost = [(number, run.diverged_at) for number, run in enumerate(row.contender.runs) if run.diverged_at]
        if lost:
            yield Advice(
                "diverged",
                f"{row.contender.name} diverged in {len(lost)} of {counted('run', len(row.contender.runs))}, the first "
                f"in epoch {min(epoch for _, epoch in lost)}: take a lower learning rate.",
                {f"contenders[{row.number}].runs[{number}].diverged_at": float(epoch) for number, epoch in lost},
                row.anchor,
            )


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


def nothing_to_say(report: Report) -> Advice:
    """Say that there is nothing to advise, with the baseline's score as far as there is one."""
    base = report.baseline
    score = base.score(report.split, report.metric)
    if score.shown == NOTHING:
        return Advice(
            "nothing",
            f"Nothing to advise: {base.contender.name} has no finite score to measure others by.",
            {"seeds[0]": float(report.study.seeds[0])},
            base.anchor,
        )
    return Advice(
        "nothing",
        f"Nothing to advise from these numbers: {report.measured} of {base.contender.name} is {score.shown}, and no "
        "recipe stands out.",
        {score_path(base, report.split, report): score.summary.mean},
        base.anchor,
    )


def versus_path(row: ContenderRow) -> str:
    """Return the path of a contender's comparison in study.json."""
    return f"contenders[{row.number}].versus_baseline"


def score_path(row: ContenderRow, split: str, report: Report) -> str:
    """Return the path of a contender's main score in study.json."""
    return f"contenders[{row.number}].scores.{split}.{report.metric.name}.mean"


def reference_path(number: int, split: str, report: Report) -> str:
    """Return the path of a reference's main score in study.json."""
    return f"references[{number}].scores.{split}.{report.metric.name}.mean"


def baseline_scores(report: Report) -> dict[str, float]:
    """Return the baseline's main scores on the training and validation rows, by path."""
    base = report.baseline
    return {
        score_path(base, split, report): base.score(split, report.metric).summary.mean for split in ("train", "valid")
    }


def length_paths(report: Report, longest: int) -> dict[str, float]:
    """Return the score of each of the baseline's runs at the longest length, by path."""
    return {
        f"contenders[0].runs[{number}].lengths[{place}].score": length.score
        for number, run in enumerate(report.baseline.contender.runs)
        for place, length in enumerate(run.lengths)
        if length.epochs == longest
    }


def curve_numbers(report: Report, names: tuple[str, ...]) -> dict[str, float]:
    """Return the last points of the baseline's curves, by path."""
    return {
        f"contenders[0].runs[{number}].curves.{name}[{len(run.curves[name]) - 1}]": run.curves[name][-1]
        for number, run in enumerate(report.baseline.contender.runs)
        for name in names
        if run.diverged_at is None
    }


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
