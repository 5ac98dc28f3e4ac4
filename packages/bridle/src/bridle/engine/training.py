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
from bridle.engine.checkpointing import Checkpointer, CheckpointStore
from bridle.engine.feed import DeviceData
from bridle.engine.precision import Precision, default_device
from bridle.engine.recording import Recorder
from bridle.engine.stack import Stack
from bridle.engine.stopping import StackStopping
from bridle.engine.threads import limited_threads, threads_for
from bridle.engine.training_plan import TrainingPlan
from bridle.engine.variant_grids import MEMORY
from bridle.errors import InputError
from bridle.networks import MLP, Network, mlp, parse_network
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
    network = mlp(128, 64) if network is None else parse_network(network)
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
    checkpoints: CheckpointStore | None = None,
) -> Iterator[Run]:
    """Train every variant and yield its run as soon as it is finished.

    Variants are stacked as far as ``memory`` (bytes) allows. A run's result depends on its own recipe and seed only,
    but for the last digits, in which neighbours may show. ``progress`` is told how many more steps of single runs are
    done; a run that diverges counts as done. ``checkpoints`` keeps the states of unfinished stacks, and gives back
    those that were begun earlier: they go on as they are, with the same members.
    """
    precision = Precision.of(protocol, device or default_device())
    sizes.check_training(network, data, protocol.for_rows(len(data.x_train)), len(variants))
    plan = TrainingPlan.of(data, network, protocol, precision)
    device_data = DeviceData(data, precision, flat=isinstance(network, MLP))
    recorder = Recorder(data, device_data)
    told = progress or (lambda steps: None)
    if plan.obstacle:
        warnings.warn(
            f"torch.func cannot stack this network ({plan.obstacle}): its variants are trained one by one, which "
            "is slower",
            stacklevel=2,
        )
    unfinished = checkpoints.unfinished(variants) if checkpoints else []
    rest = [variant for variant in variants if not any(variant in each.trains for each in unfinished)]
    planned = plan.plan_stacks(rest, memory)
    if checkpoints:
        for members in planned:
            checkpoints.save(members, members, 0, 0, b"")
    for members in [*(each.members for each in unfinished), *planned]:
        start = partial(Stack, members, plan.start, device_data, protocol, precision)
        yield from train_stack(
            start, StackTraining(recorder, Checkpointer(checkpoints, members), frozenset(variants), told)
        )
        if checkpoints:
            checkpoints.drop(members)


def make_stack(
    data: Data, variants: Sequence[Variant], network: Network, protocol: Protocol, device: torch.device | None = None
) -> Stack:
    """All variants in one stack, ready to :meth:`Stack.step`: for benchmarks, and for loops of one's own."""
    precision = Precision.of(protocol, device or default_device())
    plan = TrainingPlan.of(data, network, protocol, precision)
    if plan.obstacle and len(variants) > 1:
        raise InputError(
            f"torch.func cannot stack this network ({plan.obstacle}); make a stack of one variant for each of the "
            f"{len(variants)}, or let train_variants do that"
        )
    device_data = DeviceData(data, precision, flat=isinstance(network, MLP))
    return Stack(variants, plan.start, device_data, protocol, precision)


class StackTraining(NamedTuple):
    """The recorder and checkpointer of a stack, the runs that are wanted, and the callback for progress."""

    recorder: Recorder
    checkpointer: Checkpointer
    wanted: frozenset[Variant]
    progress: Progress

    def report(self, steps: int, variants: Iterable[Variant]) -> None:
        """Report that these variants have made so many more steps."""
        told = steps * sum(variant in self.wanted for variant in variants)
        if told:
            self.progress(told)


def restored_or_fresh(start: Callable[[], Stack], training: StackTraining) -> tuple[Stack, StackStopping]:
    """Return a stack as it was saved, or a fresh one where it was not, or where the state does not fit."""
    stack = start()
    stopping = StackStopping(stack.variants, stack.data.task)
    if training.checkpointer.restore(stack, training.recorder, stopping):
        return stack, stopping
    training.recorder.reset_curves(stack.variants)
    return start(), StackStopping(stack.variants, stack.data.task)


def train_stack(start: Callable[[], Stack], training: StackTraining) -> Iterator[Run]:
    """Train one stack to its end, from where it stood when it was saved."""
    recorder = training.recorder
    stack, stopping = restored_or_fresh(start, training)
    count = threads_for(stack.multiply_adds)
    training.report(stack.steps_done, stack.variants)
    for epoch in range(stack.steps_done // stack.batches.per_epoch + 1, stack.protocol.n_epochs + 1):
        with limited_threads(count):
            step_losses = train_epoch(stack, training)
            points = recorder.curve_points(stack, epoch, step_losses)
        diverged = [variant for variant, point in points.items() if not all(map(math.isfinite, point.values()))]
        whole = {variant: point for variant, point in points.items() if variant not in diverged}
        recorder.append_points(whole)
        stopped = stopping.after_epoch(stack, whole, epoch)
        gone = [*diverged, *stopped]
        for variant in gone:
            if variant in training.wanted:
                with limited_threads(count):
                    run = recorder.early_run(
                        stack, variant, epoch, stopping.bests[variant] if variant in stopped else None
                    )
                yield run
        training.report(stack.steps - stack.steps_done, gone)
        if len(gone) == len(points):
            return
        if gone:
            stack.remove(gone)
        training.checkpointer.after_epoch(stack, recorder, stopping, epoch)
    with limited_threads(count):
        runs = list(recorder.final_runs(stack, stopping.bests))
    wanted = {(str(variant.recipe), variant.seed) for variant in training.wanted}
    yield from (run for run in runs if (run.recipe, run.seed) in wanted)


def train_epoch(stack: Stack, training: StackTraining) -> dict[Variant, float]:
    """One epoch; returns each variant's mean data loss over the epoch's batches."""
    variants = stack.variants
    totals = [torch.zeros((), device=stack.precision.device) for _ in stack.blocks]
    for _ in range(stack.batches.per_epoch):
        totals = [total + losses for total, losses in zip(totals, stack.step(), strict=True)]
        training.report(1, variants)
    return {
        variant: total[index].item() / stack.batches.per_epoch
        for block, total in zip(stack.blocks, totals, strict=True)
        for index, variant in block.indexed_variants()
    }


def step_losses(data: Data, variant: Variant, network: Network, protocol: Protocol, steps: int) -> list[float]:
    """The total loss (data and penalties) of one variant at each of the first steps: what the parity test compares."""
    alone = make_stack(data, [variant], network, protocol, torch.device("cpu"))
    return [alone.step(with_penalties=True)[0].item() for _ in range(min(steps, alone.steps))]
