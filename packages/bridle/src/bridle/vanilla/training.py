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
from bridle.networks import MLP, Network
from bridle.places import Stop
from bridle.protocol import Progress, Protocol, Variant
from bridle.results import MAIN_METRIC, Run
from bridle.seeded_draws import batch_orders
from bridle.training_rules import monitored_score
from bridle.vanilla.evaluation import curve_point, final_scores, layer_summaries
from bridle.vanilla.step import Trainer, TrainerValues

__all__ = ["resolve_precision", "step_losses", "train_variants"]


def prepare(data: Data, variant: Variant, network: Network, protocol: Protocol) -> Trainer:
    """Make a run ready for its first step; ``ValueError`` for what this engine cannot train."""
    if not isinstance(network, MLP):
        raise InputError(
            f"the vanilla engine trains mlp(...) and linear() only, got {network!r}; "
            "use the torch engine (--engine torch) for a network of your own"
        )
    return Trainer(data, variant, network, protocol)


def resolve_precision(protocol: Protocol) -> Protocol:
    """Return the protocol with the precision in which this engine computes, whatever is asked."""
    return replace(protocol, precision="float64")


def batches(data: Data, seed: int, protocol: Protocol) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each step's inputs (batch, inputs) and targets (batch,) as the loss takes them; all epochs."""
    x = data.x_train.reshape(len(data.x_train), -1)
    mean, spread = data.target_scale
    y = data.y_train if data.task == "classification" else (data.y_train.astype(np.float64) - mean) / spread
    per_epoch = steps_per_epoch(data, protocol)
    orders = islice(batch_orders(seed, len(x), protocol.batch_size), protocol.n_epochs)
    chosen = (rows for order in orders for rows in np.split(order, per_epoch))
    for rows in chosen:
        yield x[rows].astype(np.float64), y[rows]


def steps_per_epoch(data: Data, protocol: Protocol) -> int:
    """Return the number of whole batches; a data set smaller than one batch is one batch."""
    return max(1, len(data.x_train) // protocol.batch_size)


@np.errstate(all="ignore")  # where a run diverges numbers overflow, and its losses say so
def step_losses(data: Data, variant: Variant, network: Network, protocol: Protocol, steps: int) -> list[float]:
    """Train for some steps; return the total loss, data and penalties, of each batch before the step made on it."""
    protocol = protocol.for_rows(len(data.x_train))
    trainer = prepare(data, variant, network, protocol)
    return [sum(trainer.step(x, y)) for x, y in islice(batches(data, variant.seed, protocol), steps)]


def train_variants(
    data: Data,
    variants: Sequence[Variant],
    network: Network,
    protocol: Protocol,
    *,
    progress: Progress | None = None,
) -> Iterator[Run]:
    """Train the variants one after the other; each run is handed out as it is finished.

    ``ValueError``, before anything is trained, for a network that is not an MLP and for a recipe with a name pattern
    that selects no parameter. ``progress`` counts the steps that a diverged run no longer makes as done.
    """
    protocol = protocol.for_rows(len(data.x_train))
    for variant in {each.recipe: each for each in variants}.values():
        prepare(data, variant, network, protocol)
    return (train_one(data, variant, network, protocol, progress or (lambda steps: None)) for variant in variants)


@np.errstate(all="ignore")
def train_one(data: Data, variant: Variant, network: Network, protocol: Protocol, progress: Progress) -> Run:
    """Train one run from its first step to its scores."""
    started = time.perf_counter()
    trainer = prepare(data, variant, network, protocol)
    steps = batches(data, variant.seed, protocol)
    per_epoch = steps_per_epoch(data, protocol)
    stopping = RunStopping(variant, MAIN_METRIC[data.task])
    points: list[dict[str, float]] = []
    diverged = stopped = False
    while len(points) < protocol.n_epochs and not (diverged or stopped):
        step_loss = train_epoch(trainer, islice(steps, per_epoch))
        with trainer.final_network() as predict:
            points.append({"epoch": len(points) + 1, "step_loss": step_loss, **curve_point(predict, data)})
        diverged = not all(map(math.isfinite, points[-1].values()))
        stopped = not diverged and stopping.after_epoch(points[-1], trainer.values, trainer.passed)
        progress(per_epoch)
    progress(per_epoch * (protocol.n_epochs - len(points)))
    whole = points[:-1] if diverged else points
    with trainer.final_network(None if diverged else stopping.best) as predict:
        return Run(
            recipe=str(variant.recipe),
            seed=variant.seed,
            scores=final_scores(predict, data, diverged),
            curves={name: [point[name] for point in whole] for name in points[0]},
            layers=layer_summaries(trainer.network, data.x_train),
            seconds=time.perf_counter() - started,
            diverged_at=len(points) if diverged else None,
            stopped_at=len(points) if stopped else None,
            best_epoch=None if diverged else stopping.best_epoch,
            model=trainer.trained_network(),
        )


class RunStopping:
    """The recipe's regularizers that stop, and the best epoch so far, by the first of them."""

    def __init__(self, variant: Variant, main: str) -> None:
        self.units = [unit for unit in variant.recipe if isinstance(unit, Stop)]
        self.states: list[tuple[float, ...]] = [unit.state for unit in self.units]
        self.main = main
        self.epochs = 0
        self.best: TrainerValues | None = None
        self.best_epoch: int | None = None

    def after_epoch(self, point: dict[str, float], values: Callable[[], TrainerValues], passed: float) -> bool:
        """Take in an epoch's scores, and the values if they are the best so far; return True where training is over."""
        self.epochs += 1
        over = False
        for number, unit in enumerate(self.units):
            score = monitored_score(unit, point, self.main)
            improved, stop, self.states[number] = unit.judge(score, self.states[number], unit.keywords(passed=passed))
            over = over or stop
            if number == 0 and (improved or not self.best):
                self.best, self.best_epoch = values(), self.epochs
        return over


def train_epoch(trainer: Trainer, steps: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """Make steps; return their mean data loss. Once one is not finite, no more are made."""
    losses: list[float] = []
    for x, y in steps:
        data_loss, _ = trainer.step(x, y)
        losses.append(data_loss)
        if not math.isfinite(data_loss):
            break
    return sum(losses) / len(losses)
