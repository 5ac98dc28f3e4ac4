"""Training many variants: stack by stack, epoch by epoch, diverged variants taken out, finished runs handed over."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch

from bridle import sizes
from bridle.data import Data, loaded
from bridle.engine.checkpointing import Keeper, Saving
from bridle.engine.feed import Table
from bridle.engine.precision import Precision, default_device
from bridle.engine.recording import Recorder
from bridle.engine.stack import Stack
from bridle.engine.stopping import Stopping
from bridle.engine.threads import threads, threads_for
from bridle.engine.training_plan import Program
from bridle.engine.variant_grids import MEMORY
from bridle.networks import MLP, Network, checked, mlp
from bridle.protocol import Progress, Protocol, Variant, checked_seed
from bridle.recipe import Recipe, Regularizer
from bridle.results import Run


def train(
    data: Data | str | os.PathLike[str],
    recipe: Recipe | Regularizer | str | None = None,
    network: Network | str | None = None,
    protocol: Protocol | None = None,
    seed: int = 0,
) -> Run:
    """Train one network with one recipe under one seed; the run's ``model`` is a plain ``torch.nn.Module``.

    ``data`` is a ``Data`` or what ``load`` takes. ``network`` is ``mlp(...)``, ``linear()``, ``residual_mlp(...)``,
    ``convnet(...)``, or one of these as text, or a zero-argument factory of any module that maps (batch, ...) to
    (batch, outputs); by default ``mlp(128, 64)``. Raises ``ValueError`` for what cannot be trained, or would take more
    memory than is free.
    """
    variant, protocol = Variant(Recipe.of(recipe), checked_seed(seed)), Protocol.of(protocol)
    network = mlp(128, 64) if network is None else checked(network)
    return next(train_variants(loaded(data), [variant], network, protocol))


def train_variants(
    data: Data,
    variants: Sequence[Variant],
    network: Network,
    protocol: Protocol,
    *,
    progress: Progress | None = None,
    memory: int = MEMORY,
    device: torch.device | None = None,
    keeper: Keeper | None = None,
) -> Iterator[Run]:
    """Train every variant and yield its run as soon as it is finished.

    Variants are stacked as far as ``memory`` (bytes) allows. A run's result depends on its own recipe and seed only,
    but for the last digits, in which neighbours may show. ``progress`` is told how many more steps of single runs are
    done; a run that diverges counts as done. ``keeper`` keeps what unfinished stacks have come to, and gives back those
    that were begun earlier: they go on as they are, with the same members.
    """
    precision = Precision.of(protocol, device or default_device())
    sizes.check(network, data, protocol.on(len(data.x_train)), len(variants))
    program = Program.of(data, network, protocol, precision)
    table = Table(data, precision, flat=isinstance(network, MLP))
    recorder = Recorder(data, table)
    told = progress or (lambda steps: None)
    if program.obstacle:
        warnings.warn(
            f"torch.func cannot stack this network ({program.obstacle}): its variants are trained one by one, which "
            "is slower",
            stacklevel=2,
        )
    begun = keeper.begun(variants) if keeper else []
    rest = [variant for variant in variants if not any(variant in each.trains for each in begun)]
    planned = program.planned(rest, memory)
    if keeper:
        for members in planned:
            keeper.save(members, members, 0, 0, b"")
    for members in [*(each.members for each in begun), *planned]:
        start = partial(Stack, members, program.start, table, protocol, precision)
        yield from train_stack(start, Training(recorder, Saving(keeper, members), frozenset(variants), told))
        if keeper:
            keeper.drop(members)


def stack(
    data: Data, variants: Sequence[Variant], network: Network, protocol: Protocol, device: torch.device | None = None
) -> Stack:
    """All variants in one stack, ready to :meth:`Stack.step`: for benchmarks, and for loops of one's own."""
    precision = Precision.of(protocol, device or default_device())
    program = Program.of(data, network, protocol, precision)
    if program.obstacle and len(variants) > 1:
        raise ValueError(
            f"torch.func cannot stack this network ({program.obstacle}); make a stack of one variant for each of the "
            f"{len(variants)}, or let train_variants do that"
        )
    table = Table(data, precision, flat=isinstance(network, MLP))
    return Stack(variants, program.start, table, protocol, precision)


class Training(NamedTuple):
    """What goes with a stack: who measures it, who saves it, which runs are asked for, and who hears of the steps."""

    recorder: Recorder
    saving: Saving
    wanted: frozenset[Variant]
    progress: Progress

    def tell(self, steps: int, variants: Iterable[Variant]) -> None:
        """That these variants have made so many more steps."""
        told = steps * sum(variant in self.wanted for variant in variants)
        if told:
            self.progress(told)


def begin(start: Callable[[], Stack], training: Training) -> tuple[Stack, Stopping]:
    """A stack as it was saved; as it starts, where it was not, or where what was saved does not fit."""
    stack = start()
    stopping = Stopping(stack.variants, stack.table.task)
    if training.saving.restore(stack, training.recorder, stopping):
        return stack, stopping
    training.recorder.forget(stack.variants)
    return start(), Stopping(stack.variants, stack.table.task)


def train_stack(start: Callable[[], Stack], training: Training) -> Iterator[Run]:
    """Train one stack to its end, from where it stood when it was saved."""
    recorder = training.recorder
    stack, stopping = begin(start, training)
    count = threads_for(stack.products)
    training.tell(stack.done, stack.variants)
    for epoch in range(stack.done // stack.batches.per_epoch + 1, stack.protocol.passes + 1):
        with threads(count):
            step_losses = train_epoch(stack, training)
            points = recorder.curve_points(stack, epoch, step_losses)
        diverged = [variant for variant, point in points.items() if not all(map(math.isfinite, point.values()))]
        whole = {variant: point for variant, point in points.items() if variant not in diverged}
        recorder.keep(whole)
        stopped = stopping.after_epoch(stack, whole, epoch)
        gone = [*diverged, *stopped]
        for variant in gone:
            if variant in training.wanted:
                with threads(count):
                    run = recorder.left(stack, variant, epoch, stopping.bests[variant] if variant in stopped else None)
                yield run
        training.tell(stack.steps - stack.done, gone)
        if len(gone) == len(points):
            return
        if gone:
            stack.leave(gone)
        training.saving.after_epoch(stack, recorder, stopping, epoch)
    with threads(count):
        runs = list(recorder.finished(stack, stopping.bests))
    wanted = {(str(variant.recipe), variant.seed) for variant in training.wanted}
    yield from (run for run in runs if (run.recipe, run.seed) in wanted)


def train_epoch(stack: Stack, training: Training) -> dict[Variant, float]:
    """One epoch; returns each variant's mean data loss over the epoch's batches."""
    variants = stack.variants
    totals = [torch.zeros((), device=stack.precision.device) for _ in stack.blocks]
    for _ in range(stack.batches.per_epoch):
        totals = [total + losses for total, losses in zip(totals, stack.step(), strict=True)]
        training.tell(1, variants)
    return {
        variant: total[index].item() / stack.batches.per_epoch
        for block, total in zip(stack.blocks, totals, strict=True)
        for index, variant in block.indices()
    }


def step_losses(data: Data, variant: Variant, network: Network, protocol: Protocol, steps: int) -> list[float]:
    """The total loss (data and penalties) of one variant at each of the first steps: what the parity test compares."""
    alone = stack(data, [variant], network, protocol, torch.device("cpu"))
    return [alone.step(with_penalties=True)[0].item() for _ in range(min(steps, alone.steps))]
