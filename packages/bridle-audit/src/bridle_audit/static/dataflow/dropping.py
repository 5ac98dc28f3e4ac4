"""The shares that the layers and functions of a program drop in training mode."""

from __future__ import annotations

from typing import Any

from bridle_audit.static.constants.folding import is_number
from bridle_audit.static.facts.calls import Call
from bridle_audit.static.interpreter import Op
from bridle_audit.static.libraries.drop_rates import drop_rates
from bridle_audit.static.libraries.kinds import is_constructor

__all__ = ["dropout_rate", "training_rates"]


def training_rates(step: Call | Op) -> list[Any]:
    """Return the shares that a layer or function drops in training mode: each a number, or UNKNOWN.

    There is none for what drops nothing, and for a function that is told that this is no training.

    >>> from bridle_audit.static import read_source
    >>> program = read_source('''import torch.nn.functional as F
    ... a, b = F.dropout2d(x, 0.3), F.dropout(x, 0.3, False)
    ... ''')
    >>> [training_rates(each) for each in program.all_calls]
    [[0.3], []]
    """
    switched = not is_constructor(step.name) and "attention" not in step.name
    # torch's alpha_dropout takes training=False where nothing is said, its other functions True
    if switched and step.value(2, "training", "alpha_dropout" not in step.name) is False:
        return []
    return [step.value(*rate) for rate in drop_rates(step.name)]


def dropout_rate(op: Op) -> float | None:
    """Return the rate of a dropout in training mode; None for anything else, or an unknown rate."""
    rates = training_rates(op) if op.kind == "dropout" else []
    return next((float(rate) for rate in rates if is_number(rate)), None)
