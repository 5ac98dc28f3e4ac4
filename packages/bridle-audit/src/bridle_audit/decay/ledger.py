"""The decay ledger: the path by which each parameter is decayed, and its loss per step and over the training."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from bridle_audit.decay.ledger_rows import LedgerRow, make_rows
from bridle_audit.decay.measurement import innermost_optimizer
from bridle_audit.decay.penalty_effects import Penalty
from bridle_audit.decay.rates import ScheduleLike, learning_rate_array
from bridle_audit.decay.text_table import format_table
from bridle_audit.errors import InputError
from bridle_audit.wording import plural

__all__ = ["Ledger", "ledger"]

COLUMNS = {  # and whether they hold words, which stand to the left
    "parameter": True,
    "shape": True,
    "path": True,
    "strength": False,
    "lr": False,
    "lost per step": False,
    "left": False,
    "half-life, steps": False,
    "remark": True,
}


@dataclass(frozen=True)
class Ledger:
    """The decay of a model's parameters, a row for each; prints as a table.

    The unit is the same for all paths: the share of a weight that one optimizer step takes when the data's gradient is
    zero, at the highest learning rate that is to come, in the long run (momentum adds up). What is left after all steps
    and the half-life follow from it. Where an optimizer rescales, the strength decides little of this and the gradients
    decide much, so neither is said.
    """

    optimizer: str  # its class
    steps: int | None
    rows: tuple[LedgerRow, ...]

    def __str__(self) -> str:
        after = f"; left: after {self.steps:,} {plural('step', self.steps)}" if self.steps else ""
        first = f"{self.optimizer}; lost per step: the share of a weight, without a data gradient{after}"
        return "\n".join([first, *format_table(COLUMNS, [*map(row_cells, self.rows)]), *self.notes])

    @property
    def notes(self) -> list[str]:
        """The notes under the table, on paths that rescale."""
        rescaled = [each.twice for each in self.rows if each.twice is not None]
        if not rescaled:
            return []
        return [
            f"rescaled: {self.optimizer} divides by the size of the gradients, so they decide how much is lost; "
            f"without any, twice the strength takes {min(rescaled):.2f} times as much"
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the ledger as plain values; a number that is not finite becomes None."""
        rows = [{name: json_value(value) for name, value in dataclasses.asdict(each).items()} for each in self.rows]
        return {"optimizer": self.optimizer, "steps": self.steps, "rows": rows}

    def diff(self, other: Ledger) -> str:
        """Return the rows that differ from another ledger's, this one's marked ``-`` and the other's ``+``."""
        ours, theirs = ({each.name: row_cells(each) for each in held.rows} for held in (self, other))
        names = list(dict.fromkeys([*ours, *theirs]))
        changed = [name for name in names if ours.get(name) != theirs.get(name)]
        if not changed:
            return f"no difference in {len(names)} parameters"
        found = [(sign, held[name]) for name in changed for sign, held in (("-", ours), ("+", theirs)) if name in held]
        lines = format_table(COLUMNS, [row for _, row in found])
        same = len(names) - len(changed)
        marked = [f"{sign} {line}".rstrip() for sign, line in zip((" ", *(s for s, _ in found)), lines, strict=True)]
        return "\n".join([*marked, f"  {same} more are the same"] if same else marked)


def ledger(
    model: nn.Module,
    optimizer: Optimizer,
    *,
    steps: int | None = None,
    lr_schedule: ScheduleLike = None,
    penalty: Penalty | None = None,
    every: float | None = None,
) -> Ledger:
    """Return the decay of each parameter: its path and its strength; model and optimizer stay as they are.

    ``steps`` are the optimizer steps to come, and ``lr_schedule`` what moves the learning rate in them: a scheduler, a
    function from the step to a factor, the rates themselves, or nothing, when it stays. A scheduler's ``step()`` is
    called once in ``every`` optimizer steps, see :func:`bridle_audit.decay.rates.learning_rates`.
    ``penalty(model)`` is what the loop adds to the loss.

    >>> import torch
    >>> from torch import nn
    >>> model = nn.Linear(2, 1)
    >>> groups = [{"params": [model.weight], "weight_decay": 0.01}, {"params": [model.bias]}]
    >>> print(ledger(model, torch.optim.SGD(groups, lr=0.1), steps=1000))
    SGD; lost per step: the share of a weight, without a data gradient; left: after 1,000 steps
    parameter  shape  path     strength   lr  lost per step    left  half-life, steps
    weight     1×2    coupled      0.01  0.1          0.001  36.8 %               693
    bias       1      none               0.1              0   100 %
    """
    if lr_schedule is not None and steps is None:
        raise InputError("lr_schedule needs steps=, the number of optimizer steps to come")
    rates = None if steps is None else learning_rate_array(optimizer, lr_schedule, steps, every)
    rows = make_rows(model, optimizer, rates=rates, penalty=penalty)
    return Ledger(type(innermost_optimizer(optimizer)).__name__, steps, tuple(rows))


def row_cells(row: LedgerRow) -> tuple[str, ...]:
    """Return the cells of a row, as the table shows them."""
    strengths = [f"{each:.3g}" for each in (row.penalty, row.strength) if each]  # in the order of the path
    return (
        " = ".join(row.names),
        "×".join(map(str, row.shape)) or "()",
        f"{row.path} (default)" if row.by_default else row.path,
        " + ".join(strengths),
        format_number(row.lr),
        format_number(row.share),
        "" if row.left is None else f"{100 * row.left:.3g} %",
        format_number(row.half_life),
        row.remark,
    )


def format_number(value: float | None) -> str:
    """Format a number with three digits; nothing for None, inf and NaN."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:,.0f}" if 1000 <= value < 1e9 else f"{value:.3g}"


def json_value(value: object) -> object:
    """Return a value as strict JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
