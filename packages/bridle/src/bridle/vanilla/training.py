"""The training loop: batches in, one step after the other, and a report of what came out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from bridle.data import Data
from bridle.errors import InputError
from bridle.metrics import Metric
from bridle.networks import MLP, Network
from bridle.places import Stop
from bridle.protocol import Progress, Protocol, Variant
from bridle.recipe import Recipe
from bridle.results import Run
from bridle.seeded_draws import batch_orders
from bridle.training_rules import ChoosingMetric, choosing_score, has_diverged, keeps_best_epoch, monitored_score
from bridle.vanilla.evaluation import Evaluator, layer_summaries
from bridle.vanilla.step import RowWeights, Trainer, TrainerValues

__all__ = ["check_recipes", "resolve_precision", "step_losses", "train_variants"]

# Inputs (batch, inputs), targets (batch,) as the loss takes them, and what each row counts, (batch, 1).
Batch = tuple[np.ndarray, np.ndarray, RowWeights]


def prepare(data: Data, variant: Variant, network: Network, protocol: Protocol) -> Trainer:
    """Make a run ready for its first step; ``ValueError`` for what this engine cannot train."""
    if not isinstance(network, MLP):
        raise InputError(
            f"the vanilla engine trains mlp(...) and linear() only, got {network!r}; "
            "use the torch engine (--engine torch) for a network of your own"
        )
    return Trainer(data, variant, network, protocol)


def check_recipes(data: Data, recipes: Sequence[Recipe], network: Network, protocol: Protocol) -> None:
    """Raise ``ValueError`` for a recipe that cannot be trained here, before others are, which may take long."""
    for recipe in recipes:
        prepare(data, Variant(recipe, 0), network, protocol)


def resolve_precision(protocol: Protocol) -> Protocol:
    """Return the protocol with the precision in which this engine computes, whatever is asked."""
    return replace(protocol, precision="float64")


def batches(data: Data, seed: int, protocol: Protocol) -> Iterator[Batch]:
    """Yield each step's batch; all epochs."""
    x = data.x_train.reshape(len(data.x_train), -1)
    mean, spread = data.target_scale
    y = data.y_train if data.task == "classification" else (data.y_train.astype(np.float64) - mean) / spread
    per_epoch = steps_per_epoch(data, protocol)
    orders = islice(batch_orders(seed, len(x), protocol.batch_size), protocol.n_epochs)
    chosen = (rows for order in orders for rows in np.split(order, per_epoch))
    for rows in chosen:
        own_weights = 1.0 if data.w_train is None else data.w_train[rows, None].astype(np.float64)
        yield x[rows].astype(np.float64), y[rows], own_weights


def steps_per_epoch(data: Data, protocol: Protocol) -> int:
    """Return the number of whole batches; a data set smaller than one batch is one batch."""
    return max(1, len(data.x_train) // protocol.batch_size)


@np.errstate(all="ignore")  # where a run diverges numbers overflow, and its losses say so
def step_losses(data: Data, variant: Variant, network: Network, protocol: Protocol, steps: int) -> list[float]:
    """Train for some steps; return the total loss, data and penalties, of each batch before the step made on it."""
    trainer = prepare(data, variant, network, protocol)
    return [sum(trainer.step(*batch)) for batch in islice(batches(data, variant.seed, protocol), steps)]


def train_variants(
    data: Data,
    variants: Sequence[Variant],
    network: Network,
    protocol: Protocol,
    *,
    progress: Progress | None = None,
    own_metric: Metric | None = None,
) -> Iterator[Run]:
    """Train the variants one after the other, for the protocol's fixed length; each run is handed out when finished.

    ``ValueError``, before anything is trained, for a network that is not an MLP and for a recipe with a name pattern
    that selects no parameter. ``progress`` counts the steps that a diverged run no longer makes as done.
    ``own_metric`` is measured beside the metrics of the task.
    """
    for variant in {(each.recipe, each.lr): each for each in variants}.values():
        prepare(data, variant, network, protocol)
    evaluator = Evaluator(data, protocol, own_metric)
    told = progress or (lambda steps: None)
    return (train_one(evaluator, variant, network, protocol, told) for variant in variants)


@np.errstate(all="ignore")
def train_one(evaluator: Evaluator, variant: Variant, network: Network, protocol: Protocol, progress: Progress) -> Run:
    """Train one run from its first step to its scores."""
    started = time.perf_counter()
    data = evaluator.data
    trainer = prepare(data, variant, network, protocol)
    steps = batches(data, variant.seed, protocol)
    per_epoch = steps_per_epoch(data, protocol)
    stopping = RunStopping(variant, protocol, evaluator.metric)
    points: list[dict[str, float]] = []
    diverged = stopped = False
    epoch = 0
    while epoch < protocol.n_epochs and not (diverged or stopped):
        epoch += 1
        step_loss = train_epoch(trainer, islice(steps, per_epoch))
        progress(per_epoch)
        if not protocol.evaluates_after(epoch, stops_early=bool(stopping.units)):
            continue
        with trainer.final_network() as predict:
            points.append({"epoch": epoch, "step_loss": step_loss, **evaluator.curve_point(predict)})
        diverged = has_diverged(points[-1])
        stopped = not diverged and stopping.after_epoch(points[-1], trainer.values, trainer.passed)
    progress(per_epoch * (protocol.n_epochs - epoch))
    whole = points[:-1] if diverged else points
    with trainer.final_network(None if diverged else stopping.best) as predict:
        return Run(
            recipe=str(variant.recipe),
            seed=variant.seed,
            scores=evaluator.final_scores(predict, diverged),
            curves={name: [point[name] for point in whole] for name in points[0]},
            layers=layer_summaries(trainer.network, data.x_train),
            seconds=time.perf_counter() - started,
            diverged_at=epoch if diverged else None,
            stopped_at=epoch if stopped else None,
            best_epoch=None if diverged else stopping.best_epoch,
            lr=variant.lr,
            model=trainer.trained_network(),
        )


class RunStopping:
    """The recipe's regularizers that stop, and the best epoch so far: by the first of them, or by the protocol."""

    def __init__(self, variant: Variant, protocol: Protocol, metric: ChoosingMetric) -> None:
        self.units = [unit for unit in variant.recipe if isinstance(unit, Stop)]
        self.states: list[tuple[float, ...]] = [unit.state for unit in self.units]
        self.keeps_best = keeps_best_epoch(protocol, variant.recipe)
        self.metric = metric
        self.best_score = math.inf  # by the protocol, lower is better
        self.best: TrainerValues | None = None
        self.best_epoch: int | None = None

    def after_epoch(self, point: dict[str, float], values: Callable[[], TrainerValues], passed: float) -> bool:
        """Take in an epoch's scores, and the values if they are the best so far; return True where training is over."""
        verdicts = [self.judge(number, unit, point, passed) for number, unit in enumerate(self.units)]
        improved = verdicts[0][0] or not self.best if verdicts else self.improves(point)
        if improved:
            self.best, self.best_epoch = values(), int(point["epoch"])
        return any(over for _, over in verdicts)

    def judge(self, number: int, unit: Stop, point: dict[str, float], passed: float) -> tuple[bool, bool]:
        """Return whether an epoch improved and whether training is over, by one of the regularizers."""
        score = monitored_score(unit, point, self.metric)
        improved, over, self.states[number] = unit.judge(score, self.states[number], unit.keywords(passed=passed))
        return improved, over

    def improves(self, point: dict[str, float]) -> bool:
        """Return True where the protocol keeps the best epoch, and this one is better than all before it."""
        score = choosing_score(point, self.metric)
        improved = self.keeps_best and score < self.best_score
        if improved:
            self.best_score = score
        return improved


def train_epoch(trainer: Trainer, steps: Iterable[Batch]) -> float:
    """Make steps; return their mean data loss. Once one is not finite, no more are made."""
    losses: list[float] = []
    for batch in steps:
        data_loss, _ = trainer.step(*batch)
        losses.append(data_loss)
        if not math.isfinite(data_loss):
            break
    return sum(losses) / len(losses)
