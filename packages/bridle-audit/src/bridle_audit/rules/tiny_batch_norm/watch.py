"""Norms that met at most two values per channel, or at most two rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridle_audit.findings import Finding
from bridle_audit.rules.tiny_batch_norm.finding import DROP, GROUPS
from bridle_audit.watching.record import LayerRecord, LoopRecord
from bridle_audit.wording import first_names


def check(record: LoopRecord) -> Iterator[Finding]:
    """Yield a finding for norms that met at most two values per channel, or at most two rows."""
    tiny = [each for each in record.layers if each.few_value_batches]
    small = [each for each in record.layers if each.few_row_batches and not each.few_value_batches]
    if tiny:
        worst = max(tiny, key=lambda each: each.few_value_batches)
        always = worst.few_value_batches == worst.training_calls
        effect = "each output is +1 or -1, whatever came in" if worst.fewest_values == 2 else "nothing comes through"
        yield Finding(
            first_names([each.name for each in tiny]),
            f"{worst.few_value_batches} of {worst.training_calls} batches in training mode had {worst.fewest_values} "
            f"values per channel: {effect}",
            GROUPS if always else DROP,
            {"values": worst.fewest_values or 0, "batches": worst.few_value_batches},
            severity="error" if always else "",
        )
    if small:
        yield few_rows_finding(small)


def few_rows_finding(small: Sequence[LayerRecord]) -> Finding:
    """Return the finding for norms that met batches of at most two rows."""
    worst = max(small, key=lambda each: each.few_row_batches)
    mostly = worst.few_row_batches > worst.training_calls / 2
    return Finding(
        first_names([each.name for each in small]),
        f"{worst.few_row_batches} of {worst.training_calls} batches in training mode had at most 2 rows (the smallest "
        f"{worst.fewest_rows}): the statistics of a batch are those of hardly more than one image",
        GROUPS if mostly else DROP,
        {"rows": worst.fewest_rows or 0, "batches": worst.few_row_batches},
        severity="" if mostly else "note",
    )
