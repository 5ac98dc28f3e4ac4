"""Dropouts that are not called, or that change nothing."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import same_numbers
from bridle_audit.probe.forward import ForwardPass
from bridle_audit.probe.layers import DROPOUTS, drop_rate
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names

ENOUGH = 50  # numbers that are dropped in a pass, on average: two seeds then differ


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for dropouts that are not called or have no effect."""
    yield from single_layer_recurrent(setup)
    if setup.training is None:
        return
    called = {call.name for call in setup.training.calls}
    idle = [
        name for name, rate in positive_rates(setup).items() if name not in called and is_skipped(setup, name, rate)
    ]
    if idle:
        rate = drop_rate(setup.modules[idle[0]])
        yield Finding(
            first_names(idle),
            f"layer {idle[0]} (rate {rate:g}) is not called in a pass in training mode",
            f"h = self.{idle[0].rpartition('.')[2]}(h)  # call it in forward; or take it out",
            {"modules": len(idle)},
        )
    yield from unused_dropout(setup)


def inputs_differ(once: ForwardPass, again: ForwardPass) -> bool:
    """Return True if the input of any layer differs between two seeds, even if the outputs do not."""
    pairs = zip(once.leaf_calls, again.leaf_calls, strict=False)
    return any(
        left.input is not None and right.input is not None and not same_numbers(left.input, right.input)
        for left, right in pairs
    )


def single_layer_recurrent(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for each recurrent layer that has dropout between layers, but one layer only."""
    for name, each in setup.modules.items():
        if isinstance(each, nn.RNNBase) and each.dropout > 0 and each.num_layers == 1:
            kind = type(each).__name__
            yield Finding(
                name or kind,
                f"dropout={each.dropout:g} acts between the layers of the {kind}, but num_layers is 1: it does nothing",
                f"nn.Dropout({each.dropout:g}) on its output, or num_layers=2",
                {"rate": each.dropout, "layers": 1},
                severity="warning",
            )


def positive_rates(setup: Setup) -> dict[str, float]:
    """Return the rate of each dropout whose rate is above 0."""
    rates = {
        name: drop_rate(each) or 0.0 for name, each in setup.dropouts.items() if next(each.children(), None) is None
    }
    return {name: rate for name, rate in rates.items() if rate > 0}


def is_skipped(setup: Setup, name: str, rate: float) -> bool:
    """Return True if the parent of a dropout ran, and no functional dropout in it has the same rate."""
    around = name.rpartition(".")[0]
    if setup.training is None or setup.training.first_call(around) is None:
        return False
    functions = [use for use in setup.function_calls if not isinstance(use.module, DROPOUTS)]
    inside = [use for use in functions if use.owner == around or use.owner.startswith(f"{around}.") or not around]
    return not any(abs(use.rate - rate) < 1e-9 for use in inside)


def unused_dropout(setup: Setup) -> Iterator[Finding]:
    """Yield a finding if dropouts act, but the model's outputs and inputs of layers ignore the seed."""
    drops = [use for use in setup.function_calls if use.drops and use.output is not None]
    once, again = setup.training, setup.training_reseeded
    if once is None or again is None or once.logits is None or again.logits is None:
        return
    total = sum(use.rate * use.output.numel() for use in drops if use.output is not None and use.input is not None)
    if total >= ENOUGH and same_numbers(once.logits, again.logits) and not inputs_differ(once, again):
        yield Finding(
            first_names([use.site for use in drops]),
            f"{total:.0f} numbers are dropped in a pass, but no layer sees a difference under another seed: what "
            "dropout gives back is not used",
            "h = self.drop(h)  # keep what it gives back",
            {"dropped": total},
        )
