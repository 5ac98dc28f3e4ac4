"""The results of a study in sentences: the first line, what it leaves out, and what stands in the way of reading them.

Contenders are compared on the split of the study's paired differences, the validation rows; the test rows, which chose
nothing, give the number to quote.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from bridle.report.averaging import finite
from bridle.report.diagnosis import (
    below_constant,
    best_of,
    better_reference,
    constant_reference,
    too_short,
    underfitting,
)
from bridle.report.formats import NOTHING, MetricFormat, headed, joined, p_value
from bridle.report.rows import TOO_WEAK, ContenderRow, Difference, Report
from bridle.results import HELPS, HURTS, SAME, SPLIT_NAMES, UNDECIDED, Contender, Study
from bridle_audit.wording import counted

__all__ = [
    "cards",
    "cautions",
    "certainty",
    "epochs_of",
    "headline",
    "judged",
    "lead",
    "named",
    "reservations",
    "rows_words",
    "verdicts",
    "winner",
    "within_margin",
]

NAMED = 3  # contenders named one by one in a sentence; the others are counted
LONGEST = 44  # characters of a recipe that is written out in the first line
PAIR = re.compile(r"(\w+) and (\w+): ")  # how a note on two regularizers that are doubtful together begins
Named = tuple[ContenderRow, Difference]


@dataclass(frozen=True)
class Card:
    """A key number beside the first line."""

    label: str
    value: str
    note: str
    css: str = ""  # the class of its verdict, if it has one


def judged(report: Report, verdict: str) -> list[Named]:
    """Return the contenders with that verdict in the table, the best first."""
    return [(row, its) for row, its in report.compared if row.verdict_word == verdict]


def winner(report: Report) -> ContenderRow:
    """Return the contender to use: the best of those that help, else the baseline."""
    helped = judged(report, HELPS)
    return helped[0][0] if helped else report.baseline


def verdicts(study: Study) -> list[str]:
    """Return a sentence for each contender that was compared with the baseline, the best first."""
    return [f"{row.contender.name}: {row.verdict_sentence}" for row, _ in Report.of(study).compared]


def reservations(study: Study) -> list[str]:
    """Return what must be known before any recipe of a study is judged, in sentences; usually nothing."""
    return warnings(Report.of(study))


def headline(report: Report) -> str:
    """Answer in one line: what is wrong before anything else, then the effect, its certainty and the test result."""
    return " ".join([*warnings(report), effect(report)])


def warnings(report: Report) -> list[str]:
    """Say what must be known before any recipe is judged: worse than a constant answer, or trained too little."""
    return list(filter(None, [constant_warning(report), short_warning(report)]))


def constant_warning(report: Report) -> str:
    """Say which contenders are worse than the constant answer, if any is."""
    below, constant = below_constant(report), constant_reference(report)
    if not below or constant is None:
        return ""
    scores = [row.score("valid", report.metric).mean for row in (below[0], below[-1])]
    reached = " to ".join(dict.fromkeys(scores))
    against = f"{report.metric.label_on('valid')} {reached} against {constant.score('valid', report.metric).shown}"
    everyone = len(below) == len(report.rows) > 1
    names = "Every recipe" if everyone else headed(named([row.spoken for row in below]))
    return f"{names} {'is' if everyone or len(below) == 1 else 'are'} worse than the {constant.name} ({against})."


def short_warning(report: Report) -> str:
    """Say that the baseline was trained too little, as far as that shows."""
    short, gap, metric = too_short(report), underfitting(report), report.metric
    if short:
        return (
            f"Training is too short: {metric.label_on('valid')} still goes from {metric.shown(short.score_before)} at "
            f"{short.shorter} epochs to {metric.shown(short.score)} at {short.longest}, the most that were tried."
        )
    if gap:
        return (
            f"The network underfits: {metric.label} is {metric.shown(gap.train)} on the training rows, no better than "
            f"{metric.shown(gap.valid)} on the validation rows."
        )
    return ""


def effect(report: Report) -> str:
    """Say the greatest effect with its certainty and the test result; that there is none; or that nobody can tell."""
    helped, hurt = judged(report, HELPS), judged(report, HURTS)
    if helped:
        row, its = helped[0]
        most = " most" if len(helped) > 1 else ""
        return f"{in_first_line(row)} helps{most}: {change(report, row, its)}{tested(report, row)}{lost(row)}."
    if len(report.rows) == 1:
        return f"{headed(report.measured)} of {in_first_line(report.baseline)}: {reached(report, report.baseline)}."
    if not report.compared:
        return without_verdict(report)
    if hurt and not warnings(report):
        row, its = hurt[-1]
        most = " most" if len(hurt) > 1 else ""
        none = "No recipe is shown to help" if judged(report, UNDECIDED) else "No recipe helps"
        return f"{none}; {in_first_line(row)} hurts{most}: {change(report, row, its)}{tested(report, row)}."
    return f"{nothing_shown(report)}; {report.baseline.spoken} has {reached(report, report.baseline)}."


def first_named(report: Report) -> ContenderRow:
    """Return the contender that the first line is about; the baseline where it is about no other."""
    helped, hurt, undecided = (judged(report, verdict) for verdict in (HELPS, HURTS, UNDECIDED))
    if helped:
        return helped[0][0]
    if hurt and not warnings(report):
        return hurt[-1][0]
    return undecided[0][0] if undecided else report.baseline


def in_first_line(row: ContenderRow) -> str:
    """Return the recipe as it is written, or its short name where that is long."""
    return row.written if len(row.written) <= LONGEST else row.spoken


def change(report: Report, row: ContenderRow, its: Difference) -> str:
    """Say a change of the main metric: "validation log-loss 0.42 instead of 0.61 (95 % interval ..., 5 seeds)"."""
    ours, base = (each.score(report.split, report.metric).shown for each in (row, report.baseline))
    if NOTHING in (ours, base) or ours == base:  # paired by seed, a difference may be finer than the scores' decimals
        return f"{report.measured} {its.moved} ({certainty(report, its)})"
    return f"{report.measured} {ours} instead of {base} ({its.moved}, {certainty(report, its)})"


def certainty(report: Report, its: Difference) -> str:
    """Say how sure a difference is: its interval and the number of seeds, or that each of them gave the same."""
    seeds = len(finite(its.versus.values))
    varied = " and splits" if report.study.splits.get("varies") else ""
    if not its.has_spread:
        return f"the same under each of {counted('seed', seeds)}{varied}"
    return f"95 % interval {its.sizes}, {counted('seed', seeds)}{varied}"


def tested(report: Report, row: ContenderRow) -> str:
    """Say what the test rows have, which chose nothing; nothing where there are none."""
    if "test" not in report.splits:
        return ""
    ours, base = (each.score("test", report.metric) for each in (row, report.baseline))
    if NOTHING in (ours.shown, base.shown):
        return ""
    verdict = its.versus.verdict if (its := row.difference) else ""
    better = report.is_better(ours.summary.mean, base.summary.mean)
    but = " but" if (verdict == HELPS and not better) or (verdict == HURTS and better) else ""
    beside = rows_words(report, row, "test")
    than = "like the baseline" if ours.shown == base.shown else f"instead of {base.shown}"
    return f";{but} on the test rows {ours.shown} {than}{f', {beside}' if beside else ''}"


def lost(row: ContenderRow) -> str:
    """Say how many of a contender's runs diverged, if any did."""
    diverged = row.contender.diverged
    return f"; {diverged} of its {counted('run', len(row.contender.runs))} diverged" if diverged else ""


def rows_words(report: Report, row: ContenderRow, split: str) -> str:
    """Say in rows how many more are right than with the baseline: "3 of 60 rows more are right"; nothing if unknown."""
    accuracy, rows = report.format("accuracy"), report.data_rows(split)
    ours, base = (each.score(split, accuracy).summary.mean for each in (row, report.baseline))
    if not rows or not math.isfinite(ours - base):
        return ""
    count = (ours - base) * rows
    if not round(count):
        return f"as many of {rows:,} rows are right"
    about = "" if abs(count - round(count)) < 0.05 else "about "
    more = "more" if count > 0 else "fewer"
    return f"{about}{abs(round(count)):,} of {rows:,} rows {more} {'is' if abs(round(count)) == 1 else 'are'} right"


def reached(report: Report, row: ContenderRow) -> str:
    """Say a contender's scores: "0.61, on the test rows 0.62 (80.0 % accuracy)"."""
    valid, test = (row.score(split, report.metric).shown for split in (report.split, "test"))
    if valid == NOTHING:
        return "no finite score"
    if test == NOTHING:
        return valid
    beside = report.beside
    score = row.score("test", beside).shown if beside else NOTHING
    more = f" ({score} {beside.label})" if beside and score != NOTHING else ""
    return f"{valid}, on the test rows {test}{more}"


def without_verdict(report: Report) -> str:
    """Say the best score where nothing can be compared, and why."""
    few = "one seed" if len(report.study.seeds) == 1 else "too few runs that can be paired with the baseline's"
    best = best_of(report, report.rows, report.split)
    if best is None:
        return f"No contender has a finite score, and {few} cannot tell a difference from noise."
    leading = f"{in_first_line(best)} has the best {report.measured}, {reached(report, best)}"
    base = report.baseline.score(report.split, report.metric).shown
    beside = "" if best.number == 0 or base == NOTHING else f"; {report.baseline.spoken} has {base}"
    return f"No verdict, as {few} cannot tell a difference from noise: {leading}{beside}."


def nothing_shown(report: Report) -> str:
    """Say that no recipe helps, and how far that is known."""
    undecided, same, hurt = (judged(report, verdict) for verdict in (UNDECIDED, SAME, HURTS))
    if same and not undecided and not hurt:
        return f"No recipe makes a difference of consequence: {within_margin(report, same)} on the validation rows"
    if not undecided:
        acts = hurt or not judged(report, TOO_WEAK)
        return f"No recipe {'helps by' if acts else 'is strong enough to change'} {report.measured}"
    return f"No recipe is shown to help by {report.measured}: {nearest(report, *undecided[0])}"


def nearest(report: Report, row: ContenderRow, its: Difference) -> str:
    """Say how far the best of those that nobody can tell yet has come, and what would tell."""
    better = report.is_better(its.versus.difference, 0.0)
    name = f"the nearest is {in_first_line(row)}" if better else f"even the nearest, {in_first_line(row)}, is no better"
    chance = f"among {len(report.compared)} contenders that may be chance" if its.may_be_chance else ""
    more = f"about {row.more_seeds} would tell" if row.more_seeds else ""
    return f"{name}, {its.moved} ({'; '.join(filter(None, [certainty(report, its), chance, more]))})"


def within_margin(report: Report, same: list[Named]) -> str:
    """Say within which margin contenders are the same as the baseline."""
    margin = same[0][1].versus.margin or report.study.margin or 0.0
    return f"the same within {report.metric.size(margin)} of {report.metric.label}"


def named(names: list[str]) -> str:
    """List the first names, and count the others."""
    others = len(names) - NAMED
    return joined([*names[:NAMED], *([counted("other", others)] if others > 0 else [])])


def lead(report: Report) -> list[str]:
    """Say in paragraphs what the first line leaves out: the other verdicts, and how the references fare."""
    return [*filter(None, [other_verdicts(report), beside_references(report)])]


def other_verdicts(report: Report) -> str:
    """List the contenders by verdict, without the one that the first line is about."""
    spoken = first_named(report)
    parts = []
    labels = {HELPS: "Also helps", HURTS: "Hurts", UNDECIDED: "Cannot tell yet", TOO_WEAK: "Too weak to act"}
    labels |= {HURTS: "Also hurts"} if spoken.verdict_word == HURTS else {}
    for verdict, said in labels.items():
        found = [(row, its) for row, its in judged(report, verdict) if row is not spoken]
        parts += [f"{said}: {named([f'{row.name} ({its.in_points})' for row, its in found])}."] if found else []
    same = judged(report, SAME)
    if same:
        parts.append(f"{headed(within_margin(report, same))}: {named([row.name for row, _ in same])}.")
    unpaired = [row.name for row in report.rows if row.number and not row.difference]
    if unpaired and report.compared:
        verb = "has" if len(unpaired) == 1 else "have"
        parts.append(
            f"{named(unpaired)} {verb} no verdict: fewer than two finished runs can be paired with the baseline's."
        )
    return " ".join(parts)


def beside_references(report: Report) -> str:
    """Say how the references fare on the rows that are quoted."""
    split = report.quoted_split
    scores = [(row.name, row.score(split, report.metric).shown) for row in report.references]
    known = [f"{name} {shown}" for name, shown in scores if shown != NOTHING]
    if not known:
        return ""
    best = winner(report)
    ours = best.score(split, report.metric).shown
    known = known if ours == NOTHING else [f"{best.spoken} {ours}", *known]
    return f"On the same {SPLIT_NAMES[split]} rows, by {report.metric.label}: {joined(known)}."


def cards(report: Report) -> list[Card]:
    """Return the key numbers beside the first line."""
    row = winner(report)
    return [
        *score_cards(report, row),
        *filter(None, [reference_card(report), certainty_card(report, row), training_card(report, row)]),
    ]


def score_cards(report: Report, row: ContenderRow) -> list[Card]:
    """Return the winner's scores beside the baseline's: what chose, on both splits, and what is shown beside it."""
    shown = [(report.split, report.metric)]
    shown += [("test", report.metric)] if "test" in report.splits else []
    shown += [(report.quoted_split, report.beside)] if report.beside else []
    measured = [(split, metric) for split, metric in shown if row.score(split, metric).shown != NOTHING]
    return [score_card(report, row, *each, chooses=each == shown[0]) for each in measured]


def score_card(report: Report, row: ContenderRow, split: str, metric: MetricFormat, *, chooses: bool) -> Card:
    """Return the winner's score on a split beside the baseline's, with their difference where that is known."""
    ours, base = row.score(split, metric), report.baseline.score(split, metric)
    versus = row.contender.versus(metric.name, split)
    its = Difference.of(versus) if versus else None
    note = f"{its.mean} {its.interval}" if its else ""
    note = row.spoken if row.number == 0 and len(report.rows) > 1 else note
    if metric.name == "accuracy" and row.number:
        note = rows_words(report, row, split)
    value = ours.shown if row.number == 0 else f"{base.mean} → {ours.shown}"
    return Card(headed(metric.label_on(split)), value, note, row.verdict_style.css if chooses else "")


def reference_card(report: Report) -> Card | None:
    """Return the best reference on the rows that are quoted."""
    split = report.quoted_split
    best = best_of(report, report.references, split)
    if best is None:
        return None
    note = "better than every recipe" if best is better_reference(report) else "the best reference"
    return Card(f"{headed(best.name)}, {report.metric.label_on(split)}", best.score(split, report.metric).shown, note)


def certainty_card(report: Report, row: ContenderRow) -> Card | None:
    """Return how sure the winner's effect is, after correction for all contenders."""
    its = row.difference
    if its is None or not math.isfinite(its.versus.p_holm):
        return None
    text = p_value(its.versus.p_holm)
    return Card(
        "Certainty",
        f"p {text}" if text.startswith("<") else f"p = {text}",
        f"Holm over {counted('contender', len(report.compared))}, {report.seeds}",
    )


def training_card(report: Report, row: ContenderRow) -> Card:
    """Return how long, and at which learning rate, the winner was trained."""
    epochs = epochs_of(row.contender)
    lr = row.contender.lr or report.study.protocol.get("lr")
    rate = f"learning rate {lr:g}, " if isinstance(lr, int | float) else ""
    found = any(run.lengths for run in row.contender.runs)
    return Card(
        "Training", counted("epoch", epochs) if epochs else NOTHING, f"{rate}length {'found' if found else 'fixed'}"
    )


def epochs_of(contender: Contender) -> int:
    """Return the number of epochs that most runs were trained for, the greater of two; 0 where there are no runs."""
    lengths = [run.epochs for run in contender.runs]
    return max(lengths, key=lambda each: (lengths.count(each), each), default=0)


def cautions(study: Study) -> list[str]:
    """Warn of runs that are missing, and of all that the study gives notice of."""
    done = sum(len(contender.runs) for contender in study.contenders)
    unfinished = f"This study is not finished ({counted('run', done)} so far); the same command goes on with the rest."
    noted = filter(None, (referred(study, notice) for notice in study.notices))
    return [*([] if study.finished else [unfinished]), *noted]


def referred(study: Study, notice: str) -> str:
    """Return a notice with the contenders that it is about, where it is about two regularizers in one recipe.

    Such a note stands in no report in which no recipe has both.
    """
    pair = PAIR.match(notice)
    if not pair:
        return notice
    names = set(pair.groups())
    about = [each.name for each in study.contenders if names <= {str(unit.get("name")) for unit in each.recipe}]
    if about:
        return f"{joined(about)}: {notice}"
    known = {str(unit.get("name")) for each in study.contenders for unit in each.recipe}
    return "" if names & known else notice
