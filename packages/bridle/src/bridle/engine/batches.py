"""The data of a stack: on the device, and in each seed's own batches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bridle import seeded_draws
from bridle.data import Data
from bridle.engine.precision import Precision
from bridle.feature_layout import Layout
from bridle.protocol import Protocol
from bridle.training_rules import class_weights

__all__ = ["BatchLoader", "DeviceData", "SeedIndex", "TrainingBatch"]

# Which of a stack's seeds are a block's: all of them, without a copy, or some.
SeedIndex = slice | Tensor


class TrainingBatch(NamedTuple):
    """The rows of one step, (seeds, 1 or recipes, batch, ...) or without the recipes where all have the same."""

    rows: Tensor
    targets: Tensor
    weights: Tensor | None  # what each row counts in the loss, (seeds, 1 or recipes, batch); None where all count alike


class DeviceData:
    """The data on the device: inputs ``x`` and targets ``y`` as the loss wants them, per split.

    ``class_weights`` (classes,) and ``row_weights`` (training rows,) are None where all count alike in the loss.

    ``flat`` is for networks of linear layers: inputs as (rows, features). Inputs are in the precision of the weights,
    in which scores are taken; ``train_inputs`` are those of the training rows as the steps take them.
    """

    def __init__(self, data: Data, protocol: Protocol, precision: Precision, *, flat: bool) -> None:
        mean, sd = data.target_scale
        self.task = data.task
        self.outputs = data.n_outputs
        self.row_shape = data.x_train.shape[1:]
        self.layout = Layout.of(self.row_shape, data.features)
        self.x: dict[str, Tensor] = {}
        self.y: dict[str, Tensor] = {}
        for split, (x, y) in data.splits().items():
            rows = torch.from_numpy(x).flatten(1) if flat else torch.from_numpy(x)
            self.x[split] = rows.to(precision.device, precision.weights)
            target = (
                torch.from_numpy(y)
                if self.task == "classification"
                else torch.from_numpy((y.astype(np.float64) - mean) / sd)
            )
            dtype = torch.int64 if self.task == "classification" else precision.weights
            self.y[split] = target.to(precision.device, dtype)
        self.train_inputs = self.x["train"].to(precision.matmul if flat else precision.weights)
        by_class = class_weights(protocol, data.task, data.y_train, data.n_outputs)
        self.class_weights, self.row_weights = (
            None if each is None else torch.from_numpy(each).to(precision.device, precision.weights)
            for each in (by_class, getattr(data, "w_train", None))
        )


class BatchLoader:
    """Each seed's own batches of the training rows, step by step."""

    def __init__(self, device_data: DeviceData, protocol: Protocol, seeds: tuple[int, ...]) -> None:
        self.x, self.y, self.weights = device_data.train_inputs, device_data.y["train"], device_data.row_weights
        rows = len(self.x)
        self.size = min(protocol.batch_size, rows)
        self.per_epoch = rows // self.size
        self.orders = [seeded_draws.batch_orders(seed, rows, self.size) for seed in seeds]
        self.epoch = torch.empty(0)
        self.step = 0
        # One buffer for every step: a fresh one of this size costs more than filling it.
        self.gathered = self.x.new_empty((len(seeds) * self.size, *self.x.shape[1:]))

    def skip(self, epochs: int) -> None:
        """Pass over whole epochs, before the first step: to shuffle again is far less work than those epochs were."""
        for _ in range(epochs):
            for order in self.orders:
                next(order)
        self.step = epochs * self.per_epoch

    def next(self) -> TrainingBatch:
        """Return the next step's rows (seeds, batch, ...), good until the next call; the rest is (seeds, batch)."""
        position = self.step % self.per_epoch
        if position == 0:
            orders = np.stack([next(order) for order in self.orders]).reshape(len(self.orders), self.per_epoch, -1)
            self.epoch = torch.from_numpy(orders.swapaxes(0, 1).copy()).to(self.x.device)
        self.step += 1
        rows = self.epoch[position]
        torch.index_select(self.x, 0, rows.flatten(), out=self.gathered)
        own_weights = None if self.weights is None else self.weights[rows]
        return TrainingBatch(self.gathered.view(*rows.shape, *self.x.shape[1:]), self.y[rows], own_weights)
