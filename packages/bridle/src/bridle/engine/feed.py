"""The inputs of a stack: rows of the data on the device, each seed's batches, and each seed's noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bridle import seeded_draws
from bridle.data import Data
from bridle.engine.precision import Precision
from bridle.feature_layout import Layout
from bridle.places import Draw
from bridle.protocol import Protocol

__all__ = ["BatchLoader", "DeviceData", "SeedIndex", "StackNoise"]

# Which of a stack's seeds are a block's: all of them, without a copy, or some.
SeedIndex = slice | Tensor


class DeviceData:
    """The data on the device: inputs ``x`` and targets ``y`` as the loss wants them, per split.

    ``flat`` is for networks of linear layers: inputs as (rows, features). Inputs are in the precision of the weights,
    in which scores are taken; ``train_inputs`` are those of the training rows as the steps take them.
    """

    def __init__(self, data: Data, precision: Precision, *, flat: bool) -> None:
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


class BatchLoader:
    """Each seed's own batches of the training rows, step by step."""

    def __init__(self, device_data: DeviceData, protocol: Protocol, seeds: tuple[int, ...]) -> None:
        self.x, self.y = device_data.train_inputs, device_data.y["train"]
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

    def next(self) -> tuple[Tensor, Tensor]:
        """Return the next step's inputs (seeds, batch, ...), good until the next call, and targets (seeds, batch)."""
        position = self.step % self.per_epoch
        if position == 0:
            orders = np.stack([next(order) for order in self.orders]).reshape(len(self.orders), self.per_epoch, -1)
            self.epoch = torch.from_numpy(orders.swapaxes(0, 1).copy()).to(self.x.device)
        self.step += 1
        rows = self.epoch[position]
        torch.index_select(self.x, 0, rows.flatten(), out=self.gathered)
        return self.gathered.view(*rows.shape, *self.x.shape[1:]), self.y[rows]


class StackNoise:
    """Each seed's own noise, drawn once per step and stream and shared by all recipes under that seed."""

    def __init__(self, seeds: tuple[int, ...], precision: Precision) -> None:
        self.streams = [seeded_draws.Noise(seed) for seed in seeds]
        self.precision = precision
        self.dtype = torch.float64 if precision.weights == torch.float64 else torch.float32
        self.quantiles = torch.from_numpy(seeded_draws.normal_quantiles()).to(precision.device, self.dtype)
        self.ticks: dict[int, np.ndarray] = {}
        self.drawn: dict[tuple[object, ...], Tensor] = {}

    def next_step(self) -> None:
        """Forget the noise of the step before."""
        self.ticks.clear()
        self.drawn.clear()

    def draw(self, draw: Draw, stream_id: int, subject: tuple[int, ...]) -> Tensor:
        """Draw the noise that a regularizer declares for a subject of this shape, (seeds, *shape)."""
        shape, stream = draw.shape(subject), draw.stream(stream_id)
        key = (draw.kind, stream, *shape)
        if key not in self.drawn:
            if stream not in self.ticks:
                self.ticks[stream] = np.stack([seed.ticks(stream, *shape) for seed in self.streams])
            ticks = self.ticks[stream].reshape(-1, *shape)
            self.drawn[key] = self.uniform(ticks) if draw.kind == "uniform" else self.normal(ticks)
        return self.drawn[key]

    def uniform(self, ticks: np.ndarray) -> Tensor:
        """Convert 16-bit draws to numbers in [0, 1)."""
        # 16 bits survive in float32, so both precisions compare the same number with a rate.
        on_device = torch.from_numpy(ticks.view(np.int16)).to(self.precision.device, non_blocking=True)
        return (on_device.to(torch.int32) & (seeded_draws.TICKS - 1)).to(self.dtype).div_(seeded_draws.TICKS)

    def normal(self, ticks: np.ndarray) -> Tensor:
        """Convert 16-bit draws to normal numbers, of mean 0 and deviation 1."""
        on_device = torch.from_numpy(ticks.astype(np.int32)).to(self.precision.device, non_blocking=True)
        return self.quantiles.index_select(0, on_device.flatten()).view(on_device.shape)
