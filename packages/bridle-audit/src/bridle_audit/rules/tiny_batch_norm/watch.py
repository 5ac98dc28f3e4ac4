"""Norms that met at most two values per channel, or at most two rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import described
from bridle_audit.rules.tiny_batch_norm.finding import DROP, GROUPS
from bridle_audit.watching.record import LayerSeen, Record


def check(record: Record) -> Iterator[Finding]:
    """Norms that met at most two values per channel, or at most two rows."""
    tiny = [each for each in record.layers if each.tiny]
    small = [each for each in record.layers if each.small and not each.tiny]
    if tiny:
        worst = max(tiny, key=lambda each: each.tiny)
        always = worst.tiny == worst.trained
        effect = "each output is +1 or -1, whatever came in" if worst.fewest_values == 2 else "nothing comes through"
        yield Finding(
            described([each.name for each in tiny]),
            f"{worst.tiny} of {worst.trained} batches in training mode had {worst.fewest_values} values per channel: "
            f"{effect}",
            GROUPS if always else DROP,
            {"values": worst.fewest_values or 0, "batches": worst.tiny},
            severity="error" if always else "",
        )
    if small:
        yield few_rows(small)


def few_rows(small: Sequence[LayerSeen]) -> Finding:
    """Few rows with many positions each."""
    worst = max(small, key=lambda each: each.small)
    mostly = worst.small > worst.trained / 2
    return Finding(
        described([each.name for each in small]),
        f"{worst.small} of {worst.trained} batches in training mode had at most 2 rows (the smallest "
        f"{worst.fewest_rows}): the statistics of a batch are those of hardly more than one image",
        GROUPS if mostly else DROP,
        {"rows": worst.fewest_rows or 0, "batches": worst.small},
        severity="" if mostly else "note",
    )
