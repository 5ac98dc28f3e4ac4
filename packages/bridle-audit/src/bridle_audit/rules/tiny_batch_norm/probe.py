"""Batch norms that would take their statistics from one or two values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.tiny_batch_norm.finding import DROP, FEW, GROUPS
from bridle_audit.wording import counted, first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for batch norms that compute statistics from one or two values or rows."""
    if setup.batch is None or not setup.batch_norms:
        return
    rows, last = len(setup.batch), setup.batch.last_batch_rows
    if "more than 1 value per channel" in str(setup.training_or_error):
        yield Finding(
            first_names(list(setup.batch_norms)),
            f"training mode fails on this batch ({counted('row', rows)}): one value has no variance",
            GROUPS,
            {"rows": rows, "values": 1},
            severity="error",
        )
        return
    values = values_per_row(setup)
    if values and min(values.values()) * rows <= 2:
        names = [name for name, each in values.items() if each * rows <= 2]
        yield Finding(
            first_names(names),
            f"2 values per channel in this batch ({counted('row', rows)}): each output is +1 or -1, whatever came in",
            GROUPS,
            {"rows": rows, "values": 2},
        )
    elif values and last and min(values.values()) * last <= 2:
        yield from last_batch_findings([name for name, each in values.items() if each * last <= 2], last, rows)
    elif values and rows <= 2:
        yield Finding(first_names(list(values)), f"{FEW} (this one has {rows})", GROUPS, {"rows": rows})


def last_batch_findings(names: Sequence[str], last: int, rows: int) -> Iterator[Finding]:
    """Yield a finding for norms that get one or two values per channel from the last batch of an epoch."""
    effect = "training stops there with an error" if last == 1 else "each output is +1 or -1, whatever came in"
    yield Finding(
        first_names(names),
        f"the last batch of an epoch has {counted('row', last)}, where the others have {rows}: {effect}",
        DROP,
        {"rows": last},
        severity="error" if last == 1 else "",
    )


def values_per_row(setup: Setup) -> dict[str, float]:
    """Return, for each batch norm in training mode, the number of values that a row has per channel."""
    found: dict[str, float] = {}
    for call in setup.training.leaf_calls if setup.training else ():
        entered = call.input
        if isinstance(call.module, nn.modules.batchnorm._BatchNorm) and call.training and entered is not None:
            found[call.name] = entered.numel() / entered.shape[1] / max(len(setup.batch or ()), 1)
    return found
