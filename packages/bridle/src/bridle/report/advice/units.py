"""Units that are silent, from the counts of each layer."""

from __future__ import annotations

from collections.abc import Iterator

from bridle.report.advice.sentence import Advice
from bridle.report.diagnosis import dead_outputs, silent_layer
from bridle.report.formats import headed, mean_count
from bridle.report.rows import Report
from bridle_audit.wording import counted

__all__ = ["silent_units"]


def silent_units(report: Report) -> Iterator[Advice]:
    """Say where outputs or many hidden units are the same for every training row."""
    for each in dead_outputs(report):
        name = headed(each.row.written)
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
    silent = [(row, layer) for row in report.rows if (layer := silent_layer(row))]
    if silent:
        row, (name, dead, units) = max(silent, key=lambda each: each[1][1] / each[1][2])
        several = "" if len(silent) == 1 else f", the most; in {len(silent)} of {len(report.rows)} contenders many are"
        yield Advice(
            "dead units",
            f"{headed(row.written)}: {mean_count(dead)} of {units} units of {name} are silent on every training row "
            f"(mean over the seeds){several}: a lower learning rate or a norm keeps more of them at work.",
            {f"contenders[{each.number}].dead_units": each.contender.dead_units for each, _ in silent},
            "dead",
        )
