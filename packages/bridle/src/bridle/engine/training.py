"""Training many variants, stack by stack: the ways into the engine."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from functools import partial

import torch

from bridle import memory_estimate
from bridle.data import Data, loaded
from bridle.engine.batches import DeviceData
from bridle.engine.checkpointing import Checkpointer, CheckpointStore
from bridle.engine.evaluation import Evaluator
from bridle.engine.precision import Precision, default_device
from bridle.engine.recording import Recorder
from bridle.engine.stack import Stack
from bridle.engine.stack_training import StackTraining, train_stack
from bridle.engine.stopping import stop_regularizers
from bridle.engine.training_plan import TrainingPlan
from bridle.engine.variant_grids import MEMORY
from bridle.errors import InputError
from bridle.metric_info import Criterion
from bridle.metrics import Metric, resolve_metric
from bridle.networks import MLP, Network, mlp, parse_network
from bridle.protocol import Progress, Protocol, Variant, checked_seed
from bridle.recipe import Recipe, Regularizer
from bridle.results import Run
from bridle.training_length import find_lengths

__all__ = ["check_recipes", "make_stack", "step_losses", "train", "train_variants"]


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

    Where the protocol leaves the number of epochs open, it is found as :mod:`bridle.training_length` says; the run's
    ``lengths`` are those that were tried.
    """
    variant, protocol = Variant(Recipe.of(recipe), checked_seed(seed)), Protocol.of(protocol)
    network = mlp(128, 64) if network is None else parse_network(network)
    data = loaded(data)
    metric = resolve_metric(protocol.metric, data.task)
    criterion = Criterion(metric.name, metric.higher_is_better)

    def train_length(variants: Sequence[Variant], settled: Protocol) -> Iterator[Run]:
        return train_variants(data, variants, network, settled)

    return next(find_lengths([variant], protocol, len(data.x_train), criterion, train_length))


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
    own_metric: Metric | None = None,
) -> Iterator[Run]:
    """Train every variant for ``protocol.n_epochs`` and yield its run as soon as it is finished.

    Variants are stacked as far as ``memory`` (bytes) allows. A run's result depends on its own recipe and seed only,
    but for the last digits, in which neighbours may show. ``progress`` is told how many more steps of single runs are
    done; a run that diverges counts as done. ``checkpoints`` keeps the states of unfinished stacks, and gives back
    those that were begun earlier: they go on as they are, with the same members. ``own_metric`` is the metric of the
    user's own that ``protocol.metric`` names.
    """
    chosen = resolve_metric(own_metric or protocol.metric, data.task)
    precision = Precision.of(protocol, device or default_device())
    memory_estimate.check_training(network, data, protocol, len(variants))
    plan = TrainingPlan.of(data, network, protocol, precision)
    device_data = DeviceData(data, protocol, precision, flat=isinstance(network, MLP))
    recorder = Recorder(Evaluator(data, device_data, chosen))
    told = progress or (lambda steps: None)
    if plan.obstacle:
        warnings.warn(
            f"torch.func cannot stack this network ({plan.obstacle}): its variants are trained one by one, which "
            "is slower",
            stacklevel=2,
        )
    unfinished = checkpoints.unfinished(variants) if checkpoints else []
    rest = [variant for variant in variants if not any(variant in each.trains for each in unfinished)]
    planned = [members for kind in scored_alike(rest, protocol) for members in plan.plan_stacks(kind, memory)]
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


def scored_alike(variants: Sequence[Variant], protocol: Protocol) -> list[list[Variant]]:
    """Return the variants by how often they are scored, of which a stack has one: see ``evaluates_after``."""
    if not protocol.keeps_best_epoch:
        return [list(variants)]
    kinds = [[each for each in variants if bool(stop_regularizers(each)) == stops] for stops in (False, True)]
    return [kind for kind in kinds if kind]


def check_recipes(data: Data, recipes: Sequence[Recipe], network: Network, protocol: Protocol) -> None:
    """Raise ``ValueError`` for a recipe that cannot be trained here, before others are, which may take long."""
    variants = [Variant(recipe, 0) for recipe in recipes]
    precision = Precision.of(protocol, default_device())
    plan = TrainingPlan.of(data, network, protocol, precision)
    device_data = DeviceData(data, protocol, precision, flat=isinstance(network, MLP))
    for members in [[each] for each in variants] if plan.obstacle else [variants]:
        Stack(members, plan.start, device_data, protocol, precision)


def make_stack(
    data: Data, variants: Sequence[Variant], network: Network, protocol: Protocol, device: torch.device | None = None
) -> Stack:
    """Put all variants into one stack, ready to :meth:`Stack.step`: for benchmarks, and for loops of one's own."""
    precision = Precision.of(protocol, device or default_device())
    plan = TrainingPlan.of(data, network, protocol, precision)
    if plan.obstacle and len(variants) > 1:
        raise InputError(
            f"torch.func cannot stack this network ({plan.obstacle}); make a stack of one variant for each of the "
            f"{len(variants)}, or let train_variants do that"
        )
    device_data = DeviceData(data, protocol, precision, flat=isinstance(network, MLP))
    return Stack(variants, plan.start, device_data, protocol, precision)


def step_losses(data: Data, variant: Variant, network: Network, protocol: Protocol, steps: int) -> list[float]:
    """Train one variant for some steps; return the total loss (data and penalties) before each: for parity tests."""
    alone = make_stack(data, [variant], network, protocol, torch.device("cpu"))
    return [alone.step(with_penalties=True)[0].item() for _ in range(min(steps, alone.steps))]
