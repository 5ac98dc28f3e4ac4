"""Training many variants: stack by stack, epoch by epoch, diverged variants taken out, finished runs handed over."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch

from bridle.data import Data
from bridle.engine.block import Block
from bridle.engine.feed import Table
from bridle.engine.mlp_block import MLPBlock
from bridle.engine.plan import MEMORY, Grid, stacks
from bridle.engine.precision import Precision, default_device
from bridle.engine.recording import Recorder
from bridle.engine.stack import Stack
from bridle.networks import MLP, Network, mlp
from bridle.protocol import Progress, Protocol, Variant
from bridle.recipe import Recipe, Regularizer
from bridle.results import Run


def train(
    data: Data,
    recipe: Recipe | Regularizer | str | None = None,
    network: Network | None = None,
    protocol: Protocol | None = None,
    seed: int = 0,
) -> Run:
    """Train one network with one recipe under one seed; the run's ``model`` is a plain ``torch.nn.Module``.

    ``network`` is ``mlp(...)``, ``linear()`` or a zero-argument factory of any module that maps (batch, ...) to
    (batch, outputs); by default ``mlp(128, 64)``.
    """
    variant = Variant(Recipe.of(recipe), seed)
    return next(train_variants(data, [variant], network or mlp(128, 64), protocol or Protocol()))


def train_variants(
    data: Data,
    variants: Sequence[Variant],
    network: Network,
    protocol: Protocol,
    *,
    progress: Progress | None = None,
    memory: int = MEMORY,
    device: torch.device | None = None,
) -> Iterator[Run]:
    """Train every variant and yield its run as soon as it is finished.

    Variants are stacked as far as ``memory`` (bytes) allows. A run's result depends on its own recipe and seed only.
    ``progress`` is told how many more steps of single runs are done; a run that diverges counts as done.
    """
    precision = Precision.of(protocol, device or default_device())
    table = Table(data, precision, flat=isinstance(network, MLP))
    start = block_starter(data, network, protocol, precision)
    for members in stacks(variants, bytes_per_variant(start, variants[0]), memory) if variants else ():
        stack = Stack(members, start, table, protocol, precision)
        yield from train_stack(stack, Recorder(data, table), progress or (lambda steps: None))


def stack(
    data: Data, variants: Sequence[Variant], network: Network, protocol: Protocol, device: torch.device | None = None
) -> Stack:
    """All variants in one stack, ready to :meth:`Stack.step`: for benchmarks, and for loops of one's own."""
    precision = Precision.of(protocol, device or default_device())
    table = Table(data, precision, flat=isinstance(network, MLP))
    return Stack(variants, block_starter(data, network, protocol, precision), table, protocol, precision)


def block_starter(data: Data, network: Network, protocol: Protocol, precision: Precision) -> Callable[[Grid], Block]:
    """What builds a block of this network for a grid of variants."""
    if isinstance(network, MLP):
        return lambda grid: MLPBlock.start(grid, precision, protocol.optimizer, network, data.n_inputs, data.n_outputs)
    raise TypeError(network)


def bytes_per_variant(start: Callable[[Grid], Block], variant: Variant) -> int:
    """About what one variant takes in a stack: its weights, gradient, moments and cast copies."""
    block = start(Grid((variant.seed,), (variant.recipe,)))
    return sum(5 * parameter.nbytes for parameter in block.parameters.values())


def train_stack(stack: Stack, recorder: Recorder, progress: Progress) -> Iterator[Run]:
    """Train one stack to its end."""
    for epoch in range(1, stack.protocol.epochs + 1):
        losses = train_epoch(stack, progress)
        diverged = [variant for variant, loss in losses.items() if not math.isfinite(loss)]
        for variant in diverged:
            yield recorder.diverged(stack, variant, epoch)
        if diverged:
            progress(len(diverged) * (stack.steps - stack.done))
            stack.leave(diverged)
        recorder.epoch(stack, epoch, losses)
    yield from recorder.finished(stack)


def train_epoch(stack: Stack, progress: Progress) -> dict[Variant, float]:
    """One epoch; returns each variant's mean data loss over the epoch's batches."""
    count = len(stack.variants)
    totals = stack.step()
    progress(count)
    for _ in range(stack.batches.per_epoch - 1):
        totals = [total + losses for total, losses in zip(totals, stack.step(), strict=True)]
        progress(count)
    return {
        variant: total[index].item() / stack.batches.per_epoch
        for block, total in zip(stack.blocks, totals, strict=True)
        for index, variant in block.indices()
    }


def step_losses(data: Data, variant: Variant, network: Network, protocol: Protocol, steps: int) -> list[float]:
    """The total loss (data and penalties) of one variant at each of the first steps: what the parity test compares."""
    alone = stack(data, [variant], network, protocol, torch.device("cpu"))
    return [alone.step(with_penalties=True)[0].item() for _ in range(steps)]
