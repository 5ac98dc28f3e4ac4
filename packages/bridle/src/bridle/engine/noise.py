"""The noise of a stack: each seed's own, shared by all recipes under that seed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bridle import seeded_draws
from bridle.engine.precision import Precision
from bridle.places import Draw

__all__ = ["StackNoise"]


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
        on_device = torch.from_numpy(ticks).to(self.precision.device, self.dtype, non_blocking=True)
        return on_device.mul_(1 / seeded_draws.TICKS)

    def normal(self, ticks: np.ndarray) -> Tensor:
        """Convert 16-bit draws to normal numbers, of mean 0 and deviation 1."""
        on_device = torch.from_numpy(ticks.astype(np.int32)).to(self.precision.device, non_blocking=True)
        return self.quantiles.index_select(0, on_device.flatten()).view(on_device.shape)
