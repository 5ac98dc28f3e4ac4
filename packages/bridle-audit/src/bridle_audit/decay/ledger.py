"""The decay ledger: for each parameter, what shrinks it, by which path, how much per step and over the training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from bridle_audit.decay.columns import table
from bridle_audit.decay.decay import innermost
from bridle_audit.decay.entries import Row, rows_of
from bridle_audit.decay.rates import Rates, rates_array
from bridle_audit.errors import InputError
from bridle_audit.wording import plural

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
    """One row for each parameter; prints as a table.

    The unit is the same for all paths: the share of a weight that one optimizer step takes when the data's gradient is
    zero, at the highest learning rate that is to come, in the long run (momentum adds up). What is left after all steps
    and the half-life follow from it. Where an optimizer rescales, the strength decides little of this and the gradients
    decide much, so neither is said.
    """

    optimizer: str  # its class
    steps: int | None
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        after = f"; left: after {self.steps:,} {plural('step', self.steps)}" if self.steps else ""
        first = f"{self.optimizer}; lost per step: the share of a weight, without a data gradient{after}"
        return "\n".join([first, *table(COLUMNS, [*map(cells, self.rows)]), *self.notes])

    @property
    def notes(self) -> list[str]:
        """What is to be known of the paths."""
        rescaled = [each.twice for each in self.rows if each.twice is not None]
        if not rescaled:
            return []
        return [
            f"rescaled: {self.optimizer} divides by the size of the gradients, so they decide how much is lost; "
            f"without any, twice the strength takes {min(rescaled):.2f} times as much"
        ]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values; a number that is not finite becomes null."""
        rows = [{name: plain(value) for name, value in dataclasses.asdict(each).items()} for each in self.rows]
        return {"optimizer": self.optimizer, "steps": self.steps, "rows": rows}

    def diff(self, other: Ledger) -> str:
        """The parameters that fare differently under another set-up, this one's row before the other's."""
        ours, theirs = ({each.name: cells(each) for each in held.rows} for held in (self, other))
        names = list(dict.fromkeys([*ours, *theirs]))
        changed = [name for name in names if ours.get(name) != theirs.get(name)]
        if not changed:
            return f"no difference in {len(names)} parameters"
        found = [(sign, held[name]) for name in changed for sign, held in (("-", ours), ("+", theirs)) if name in held]
        lines = table(COLUMNS, [row for _, row in found])
        same = len(names) - len(changed)
        marked = [f"{sign} {line}".rstrip() for sign, line in zip((" ", *(s for s, _ in found)), lines, strict=True)]
        return "\n".join([*marked, f"  {same} more are the same"] if same else marked)


def ledger(
    model: nn.Module,
    optimizer: Optimizer,
    *,
    steps: int | None = None,
    lr_schedule: Rates = None,
    penalty: Callable[[nn.Module], Any] | None = None,
    every: float | None = None,
) -> Ledger:
    """What shrinks each parameter, by which path and how much; the model and the optimizer stay as they are.

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
    rates = None if steps is None else rates_array(optimizer, lr_schedule, steps, every)
    rows = rows_of(model, optimizer, rates=rates, penalty=penalty)
    return Ledger(type(innermost(optimizer)).__name__, steps, tuple(rows))


def cells(row: Row) -> tuple[str, ...]:
    """A row as the table shows it."""
    strengths = [f"{each:.3g}" for each in (row.penalty, row.strength) if each]  # in the order of the path
    return (
        " = ".join(row.names),
        "×".join(map(str, row.shape)) or "()",
        f"{row.path} (default)" if row.by_default else row.path,
        " + ".join(strengths),
        number(row.lr),
        number(row.share),
        "" if row.left is None else f"{100 * row.left:.3g} %",
        number(row.half_life),
        row.remark,
    )


def number(value: float | None) -> str:
    """Three digits; nothing for what is not known or has no end."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:,.0f}" if 1000 <= value < 1e9 else f"{value:.3g}"


def plain(value: Any) -> Any:
    """A value as strict JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
