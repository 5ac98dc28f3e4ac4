"""The training loop: batches in, one step after the other, and a report of what came out."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from bridle.acting import selected, under
from bridle.data import Data
from bridle.draws import batch_orders
from bridle.networks import MLP
from bridle.networks import Network as Description
from bridle.places import Loss, Weight
from bridle.protocol import Progress, Protocol, Variant
from bridle.results import Run
from bridle.vanilla.measures import curve_point, final_scores, layer_summaries
from bridle.vanilla.network import Network, build
from bridle.vanilla.optimizers import OPTIMIZERS, Optimizer


def cross_entropy(z: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Logits (batch, classes) and class ids (batch,) -> the mean of ``-log softmax(z)[y]``, and its gradient."""
    shifted = z - z.max(1, keepdims=True)  # the softmax is the same, and no exponential overflows
    log_softmax = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    one_hot = np.arange(z.shape[1]) == y[:, None]
    return float(-log_softmax[one_hot].mean()), (np.exp(log_softmax) - one_hot) / len(z)


def squared_error(z: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Predictions (batch, 1) and targets (batch,) -> the mean squared error, and its gradient."""
    error = z - y[:, None]
    return float((error**2).mean()), 2 * error / len(z)


DATA_LOSSES = {"classification": cross_entropy, "regression": squared_error}


@dataclass
class Trainer:
    """One run under way."""

    network: Network
    optimizer: Optimizer
    task: str
    penalties: list[tuple[Loss, str]]  # with the name of the parameter that it is put on
    changes: list[tuple[Weight, str]]

    def step(self, x: np.ndarray, y: np.ndarray, lr: float) -> tuple[float, float]:
        """Train on one batch (batch, inputs), (batch,) -> the data loss and the penalties, before the update."""
        weights = self.network.parameters
        z, backward = self.network.train(x)
        data_loss, g = DATA_LOSSES[self.task](z, y)
        gradients = backward(g)

        penalties = 0.0
        for loss, name in self.penalties:
            penalty, gradient = loss.vanilla(weights[name], **loss.settings(numbers=True))
            gradients[name] += gradient
            penalties += float(penalty)

        for change, name in self.changes:
            weights[name][...] = change.vanilla(weights[name], lr=lr, **change.settings(numbers=True))
        self.optimizer.update(gradients, lr)
        return data_loss, penalties


def prepare(data: Data, variant: Variant, network: Description, protocol: Protocol) -> Trainer:
    """A run before its first step; ``ValueError`` for what this engine cannot train."""
    if not isinstance(network, MLP):
        raise ValueError(
            f"the vanilla engine trains mlp(...) and linear() only, got {network!r}; "
            "use the torch engine (--engine torch) for a network of your own"
        )
    built = build(network, variant.recipe, variant.seed, data.n_inputs, data.n_outputs)
    acting = under(protocol.optimizer, variant.recipe)
    axes = {name: w.ndim for name, w in built.parameters.items()}
    return Trainer(
        built,
        OPTIMIZERS[protocol.optimizer](built.parameters),
        data.task,
        [(each, name) for each in acting if isinstance(each, Loss) for name in selected(each, axes)],
        [(each, name) for each in acting if isinstance(each, Weight) for name in selected(each, axes)],
    )


def batches(data: Data, seed: int, protocol: Protocol) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Each step's inputs (batch, inputs), targets (batch,) as the loss takes them, and learning rate; all epochs."""
    x = data.x_train.reshape(len(data.x_train), -1)
    mean, spread = data.target_scale
    y = data.y_train if data.task == "classification" else (data.y_train.astype(np.float64) - mean) / spread
    per_epoch = steps_per_epoch(data, protocol)
    orders = islice(batch_orders(seed, len(x), protocol.batch_size), protocol.passes)
    chosen = (rows for order in orders for rows in np.split(order, per_epoch))
    for step, rows in enumerate(chosen):
        yield x[rows].astype(np.float64), y[rows], protocol.learning_rate(step, protocol.passes * per_epoch)


def steps_per_epoch(data: Data, protocol: Protocol) -> int:
    """How many whole batches there are; a data set smaller than one batch is one batch."""
    return max(1, len(data.x_train) // protocol.batch_size)


@np.errstate(all="ignore")  # where a run diverges numbers overflow, and its losses say so
def step_losses(data: Data, variant: Variant, network: Description, protocol: Protocol, steps: int) -> list[float]:
    """The total loss, data and penalties, of each of the first ``steps`` batches, before the step made on it."""
    protocol = protocol.on(len(data.x_train))
    trainer = prepare(data, variant, network, protocol)
    return [sum(trainer.step(x, y, lr)) for x, y, lr in islice(batches(data, variant.seed, protocol), steps)]


def train_variants(
    data: Data,
    variants: Sequence[Variant],
    network: Description,
    protocol: Protocol,
    *,
    progress: Progress | None = None,
) -> Iterator[Run]:
    """Train the variants one after the other; each run is handed out as it is finished.

    ``ValueError``, before anything is trained, for a network that is not an MLP and for a recipe with a name pattern
    that selects no parameter. ``progress`` counts the steps that a diverged run no longer makes as done.
    """
    protocol = protocol.on(len(data.x_train))
    for variant in {each.recipe: each for each in variants}.values():
        prepare(data, variant, network, protocol)
    return (train_one(data, variant, network, protocol, progress or (lambda steps: None)) for variant in variants)


@np.errstate(all="ignore")
def train_one(data: Data, variant: Variant, network: Description, protocol: Protocol, progress: Progress) -> Run:
    """One run from its first step to its scores."""
    started = time.perf_counter()
    trainer = prepare(data, variant, network, protocol)
    trained = trainer.network
    steps = batches(data, variant.seed, protocol)
    per_epoch = steps_per_epoch(data, protocol)
    points: list[dict[str, float]] = []
    diverged = False
    while len(points) < protocol.passes and not diverged:
        step_loss = train_epoch(trainer, islice(steps, per_epoch))
        points.append({"epoch": len(points) + 1, "step_loss": step_loss, **curve_point(trained, data)})
        diverged = not all(map(math.isfinite, points[-1].values()))
        progress(per_epoch)
    progress(per_epoch * (protocol.passes - len(points)))
    whole = points[:-1] if diverged else points
    return Run(
        recipe=str(variant.recipe),
        seed=variant.seed,
        scores=final_scores(trained, data, diverged),
        curves={name: [point[name] for point in whole] for name in points[0]},
        layers=layer_summaries(trained, data.x_train),
        seconds=time.perf_counter() - started,
        diverged_at=len(points) if diverged else None,
        model=trained,
    )


def train_epoch(trainer: Trainer, steps: Iterable[tuple[np.ndarray, np.ndarray, float]]) -> float:
    """The mean data loss of the steps; once one is not finite, no more steps are made."""
    losses: list[float] = []
    for x, y, lr in steps:
        data_loss, _ = trainer.step(x, y, lr)
        losses.append(data_loss)
        if not math.isfinite(data_loss):
            break
    return sum(losses) / len(losses)
