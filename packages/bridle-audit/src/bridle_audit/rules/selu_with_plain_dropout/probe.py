"""Plain dropouts that take what a SELU gives."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same_numbers
from bridle_audit.probe.function_calls import FunctionCall
from bridle_audit.probe.setup import Setup

PLAIN = ("dropout", "dropout1d", "dropout2d", "dropout3d")


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for a plain dropout on the output of a SELU."""
    for first, second in pairwise(setup.function_calls):
        if not is_dropout_after_selu(first, second) or first.output is None:
            continue
        growth = 1 / (1 - second.rate) if second.rate < 1 else 0.0
        yield Finding(
            second.site,
            f"dropout of {second.rate:.3g} behind a SELU ({first.site}) makes the variance {growth:.2f} times what it "
            f"was ({variance(first.output):.2f} in this batch), and a SELU is to keep it at 1",
            f"nn.AlphaDropout({second.rate:.3g})",
            {"rate": second.rate, "growth": growth, "variance": variance(first.output)},
        )


def is_dropout_after_selu(first: FunctionCall, second: FunctionCall) -> bool:
    """Return True if the second call is a plain dropout on the output of the first, a SELU."""
    if first.function != "selu" or second.function not in PLAIN or not second.drops:
        return False
    return (
        first.output is not None
        and second.input is not None
        and same_numbers(first.output.flatten(), second.input.flatten())
    )


def variance(tensor: Tensor) -> float:
    """Return the variance over all numbers of a tensor."""
    return float(tensor.float().var(correction=0))
