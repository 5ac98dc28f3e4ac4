"""The findings of a reproduction, a paragraph per finding, each worded from the numbers that were measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from bridle.reproduce.literal import (
    BATCH_NORM,
    DECAY,
    DROPOUT,
    EPOCHS,
    NAMES,
    NO_REGULARIZATION,
    OUTPUTS,
    PROGRAMS,
    WEIGHT_DECAY,
    LiteralRun,
)
from bridle.reproduce.reproduction import Reproduction, spread
from bridle.results import SAME, UNDECIDED
from bridle_audit.wording import counted

__all__ = ["mean", "paragraphs"]

PROGRAM = {program.name: program for program in PROGRAMS}


class Paragraph(NamedTuple):
    """A finding of the reproduction: its title, and its text."""

    title: str
    text: str


def paragraphs(reproduction: Reproduction) -> list[Paragraph]:
    """Return a paragraph per finding, in the order of the notebook; findings without runs are left out."""
    findings: dict[str, Callable[[Reproduction], str]] = {
        "Outputs die": dying_outputs,
        f"A decay of {DECAY:g} is a rounding error": decay_below_resolution,
        "Dropout on the logits": dropout_on_logits,
        "One seed is no comparison": one_seed,
        "Batch norm had another learning rate": another_learning_rate,
        "Done right": done_right,
    }
    found = [Paragraph(title, finding(reproduction)) for title, finding in findings.items()]
    return [paragraph for paragraph in found if paragraph.text]


def dying_outputs(reproduction: Reproduction) -> str:
    """Count the outputs that the ReLU behind the output layer kills, and the accuracy that they cost."""
    counts = [
        f"{name} {', '.join(str(run.dead_outputs) for run in reproduction.runs_of(name))}"
        for name in NAMES
        if reproduction.runs_of(name)
    ]
    text = (
        "The networks end in a ReLU. An output that is zero for every example has no gradient, so its class is no "
        f"longer learned. Of {OUTPUTS} outputs, zero for every validation row: {'; '.join(counts)}."
    )
    struck = [run for run in reproduction.runs if run.dead_outputs]
    if not struck:
        return f"{text} No output died in these runs."
    lost, all_rows = among([run.dead_rows for run in struck]), among([run.accuracy for run in struck])
    living = [run.living_accuracy for run in struck if math.isfinite(run.living_accuracy)]
    text += f" The dead outputs' classes hold {lost} % of the validation rows, and accuracy on all rows is {all_rows} %"
    return f"{text}; on the rows of the other classes it is {among(living)} %." if living else f"{text}."


def decay_below_resolution(reproduction: Reproduction) -> str:
    """Show that Adam's coupled weight_decay=1e-15 is lost in rounding."""
    decayed = reproduction.runs_of(WEIGHT_DECAY)
    if not decayed:
        return ""
    total = {key: math.fsum(run.measured[key] for run in decayed) for key in decayed[0].measured}
    largest = max(run.measured["largest_change_in_rounding_steps"] for run in decayed)
    steps = len(reproduction.printed_epochs) * len(decayed)
    text = (
        f"Adam adds {DECAY:g} times the weight to the gradient. Of the float32 gradients that are not zero this "
        f"changes {share(total['changed_gradients'], total['gradients'])}; the others, of pixels that are always "
        f"blank and of dead units, become {DECAY:g} times the weight, far below Adam's epsilon of 1e-08. "
        f"Made with the decay and without it, the same step differs in {total['weights_changed_in_a_step']:.0f} of "
        f"{total['weights']:.0f} weights ({counted('step', steps)} looked at), by at most {largest:.0f} in the last "
        "place."
    )
    pairs = list(zip(reproduction.runs_of(NO_REGULARIZATION), decayed, strict=False))
    return f"{text} {outcome_of_decay(pairs, reproduction.epochs)}"


def outcome_of_decay(pairs: list[tuple[LiteralRun, LiteralRun]], epochs: int) -> str:
    """Compare two trainings from the same initial weights, one with the decay."""
    different = [run.measured["weights_that_end_differently"] for _, run in pairs]
    norms = [(run.measured["norm_without"], run.measured["norm_with"]) for _, run in pairs]
    scores = "; ".join(f"{without.accuracy:.2f} and {with_it.accuracy:.2f} %" for without, with_it in pairs)
    ends = "; ".join(f"{without:.2f} and {with_it:.2f}" for without, with_it in norms)
    if not any(different):
        return f"After {counted('epoch', epochs)} from the same initial weights not one weight differs: {scores}."
    return (
        f"From the same initial weights, without and with it, {among(different, digits=0)} weights differ after "
        f"{counted('epoch', epochs)}, the norm of all weights is {ends}, and the accuracy {scores}. Where that is a "
        "large difference, it is what this training makes of a rounding error, not regularization."
    )


def dropout_on_logits(reproduction: Reproduction) -> str:
    """Show the cost of the second dropout layer, behind the output ReLU."""
    runs = reproduction.runs_of(DROPOUT)
    if not runs:
        return ""
    loss = {key: among([run.measured[key] for run in runs]) for key in runs[0].measured}
    return (
        "The second dropout layer stands behind the output: in training it sets half of the logits to zero, the true "
        f"class's as often as any. The trained weights have a training loss of {loss['loss_training']} as the notebook "
        f"measures it, {loss['loss_without_output_dropout']} without that layer, and {loss['loss_evaluation']} in "
        "evaluation mode, without any dropout."
    )


def one_seed(reproduction: Reproduction) -> str:
    """Show by how much the notebook's numbers vary from seed to seed."""
    runs = {name: [run.accuracy for run in reproduction.runs_of(name)] for name in NAMES if reproduction.runs_of(name)}
    if not runs:
        return ""
    seeds = max(map(len, runs.values()))
    apart = PROGRAM[WEIGHT_DECAY].printed.accuracy - PROGRAM[NO_REGULARIZATION].printed.accuracy
    text = (
        f"The notebook trains each network once, and reads {apart:.2f} points off two programs that are the same "
        "but for rounding."
    )
    if seeds == 1:
        ours = "; ".join(
            f"{name} {PROGRAM[name].printed.accuracy:.2f} there, {each[0]:.2f} here" for name, each in runs.items()
        )
        return f"{text} Run again, the same programs give other numbers: {ours}. With `--seeds 5` they get a spread."
    ours = "; ".join(f"{name} {min(each):.2f} to {max(each):.2f}, {spread(each)}" for name, each in runs.items())
    return f"{text} Over {seeds} seeds the same programs reach (lowest to highest, mean ± standard deviation): {ours}."


def another_learning_rate(reproduction: Reproduction) -> str:
    """Separate batch norm's effect from its other learning rate."""
    normed, plain_runs = reproduction.runs_of(BATCH_NORM), reproduction.runs_of(NO_REGULARIZATION)
    if not normed:
        return ""
    there = PROGRAM[BATCH_NORM].printed.accuracy - PROGRAM[NO_REGULARIZATION].printed.accuracy
    here = mean([run.accuracy for run in normed]) - mean([run.accuracy for run in plain_runs])
    text = (
        f"Batch norm was trained at {PROGRAM[BATCH_NORM].lr:g}, the others at {PROGRAM[NO_REGULARIZATION].lr:g}: two "
        f"things changed at once. Its difference to no regularization is {there:+.2f} points in the notebook and "
        f"{here:+.2f} here."
    )
    right = next((each for each in reproduction.right if each.name == BATCH_NORM and each.versus), None)
    if right is None or right.versus is None:
        return text
    return f"{text} Done right, with one learning rate for all, it {verb_phrase(right.versus.words)}."


def done_right(reproduction: Reproduction) -> str:
    """Report the comparison under one protocol, and its cost beside the notebook's."""
    if not reproduction.right:
        return ""
    right, protocol = reproduction.right, reproduction.protocol
    means = [mean(each.accuracy) for each in right]
    above = [each for each in right if mean(each.accuracy) > PROGRAM[each.name].printed.accuracy]
    dead = sum(sum(each.dead_outputs) for each in right)
    verdicts = "; ".join(f"{each.name} {verb_phrase(each.versus.words)}" for each in right if each.versus)
    text = (
        f"No ReLU behind the output, batches of {protocol.batch_size}, learning rate {protocol.peak_lr:g} "
        f"({protocol.schedule}), {counted('epoch', protocol.n_epochs)} and "
        f"{counted('seed', len(right[0].accuracy))} for every recipe: mean validation accuracy is {among(means)} %, "
        f"above the notebook's number for {len(above)} of {len(right)} recipes, and {dead} outputs are dead. "
        f"Against no regularization: {verdicts or 'one seed gives no verdict'}. "
        f"All of it took {reproduction.right_seconds:.1f} s, {reproduction.ratio:.3f} of the "
        f"{reproduction.pass_seconds:.1f} s that one pass over the notebook's four networks took."
    )
    short = f" (The literal runs were shortened from {EPOCHS} epochs to {reproduction.epochs}.)"
    return text + short * (reproduction.epochs != EPOCHS)


def verb_phrase(verdict: str) -> str:
    """Put a verb in front of a verdict that has none, to follow a name.

    >>> verb_phrase("helps: accuracy higher by 0.62 points"), verb_phrase("the same within 0.2 points: ...")
    ('helps: accuracy higher by 0.62 points', 'is the same within 0.2 points: ...')
    >>> verb_phrase("cannot tell yet (about 7 more seeds): ...")
    'cannot be told apart yet (about 7 more seeds): ...'
    """
    if verdict.startswith(UNDECIDED):
        return f"cannot be told apart yet{verdict.removeprefix(UNDECIDED)}"
    return f"is {verdict}" if verdict.startswith(SAME) else verdict


def mean(values: list[float]) -> float:
    """Return the arithmetic mean; nan of no values."""
    return math.fsum(values) / len(values) if values else math.nan


def among(values: list[float], digits: int = 2) -> str:
    """Format one number, or the lowest and the highest.

    >>> among([3.0]), among([1.0, 3.0, 2.0])
    ('3.00', '1.00 to 3.00')
    """
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def share(part: float, whole: float) -> str:
    """Format a count of a count, and in percent.

    >>> share(105, 97646)
    '105 of 97646 (0.11 %)'
    """
    return f"{part:.0f} of {whole:.0f} ({100 * part / whole:.2f} %)" if whole else f"{part:.0f} of 0"
