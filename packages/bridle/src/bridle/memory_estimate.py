"""The memory that a training takes, estimated before anything is made."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import nn

from bridle import memory
from bridle.data import Data
from bridle.errors import InputError
from bridle.module_sites import trace_shapes
from bridle.networks import MLP, DescribedNetwork, Network
from bridle.protocol import Protocol
from bridle_audit.wording import plural

__all__ = ["COPIES", "check_training", "check_weights"]

COPIES = 5  # of the weights in training: themselves, their gradient, the optimizer's two moments, cast copies
CURVES, POINT = 6, 32  # of a run: how many there are, and the bytes of a number in one
RUN = 20_000  # bytes of a run beside its curves and its model


class NetworkSize(NamedTuple):
    """The size of a network: its parameters, and the numbers that one row leaves behind in it."""

    parameters: int
    units: int

    @classmethod
    def of(cls, network: MLP | DescribedNetwork, data: Data) -> NetworkSize:
        """Without making a weight; ``ValueError`` for one that does not fit the data."""
        if isinstance(network, MLP):
            widths = network.widths(data.n_inputs, data.n_outputs)
            return cls(sum((into + 1) * out for into, out in pairwise(widths)), sum(widths))
        shape = data.x_train.shape[1:]
        try:
            with torch.device("meta"):
                module = network.build(shape, data.n_outputs)
                return cls.seen(module, torch.empty(1, *shape))
        except (RuntimeError, OverflowError) as error:  # more numbers than torch can count
            raise InputError(
                f"the network {network} has more weights than can be counted; take a smaller one"
            ) from error

    @classmethod
    def seen(cls, module: nn.Module, row: torch.Tensor) -> NetworkSize:
        """Of a module that a row (1, ...) is shown."""
        with torch.no_grad():
            _, seen = trace_shapes(module, lambda: module.eval()(row))
        parts: dict[str, Any] = dict(module.named_modules())
        units = sum(shapes.out.numel() for name, shapes in seen.items() if not list(parts[name].children()))
        return cls(sum(each.numel() for each in module.parameters()), row.numel() + units)


def check_weights(count: int) -> None:
    """Raise ``ValueError`` where the memory cannot hold so many weights in training."""
    needed = COPIES * 4 * count
    if needed > memory.GIB:  # less is not worth the asking
        memory.check_available(f"a network with {count:,} weights", needed, "take a smaller one")


def check_training(network: Network, data: Data, protocol: Protocol, runs: int, fewer: str = "seeds") -> None:
    """Raise ``ValueError`` where the memory cannot hold a network in training, or so many runs of it.

    ``fewer`` is what a user may ask for less of.
    A module of a user's own is not known before it is made: only what is kept of its runs counts here.
    """
    size = NetworkSize.of(network, data) if isinstance(network, MLP | DescribedNetwork) else NetworkSize(0, 0)
    number = 8 if protocol.precision == "float64" else 4
    rows = min(protocol.batch_size, len(data.x_train))
    memory.check_available(
        f"training {network} with its {size.parameters:,} parameters",
        (COPIES * size.parameters + rows * size.units) * number,
        "take a smaller network",
    )
    epochs = protocol.lengths(len(data.x_train))[-1]
    each = size.parameters * number + epochs * CURVES * POINT + RUN
    memory.check_available(
        f"what is kept of {runs:,} {plural('run', runs)} of {epochs:,} {plural('epoch', epochs)}",
        runs * each,
        f"take fewer {fewer}, recipes or epochs",
    )
