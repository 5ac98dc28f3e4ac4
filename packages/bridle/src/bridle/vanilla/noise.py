"""The noise of one step: every stream draws once, and a second pass through the network sees the same."""

from __future__ import annotations

import numpy as np

from bridle.places import Draw
from bridle.seeded_draws import TICKS, Noise, normal_quantiles

__all__ = ["StepNoise"]


class StepNoise:
    """The noise of one run, step by step."""

    def __init__(self, seed: int) -> None:
        self.noise = Noise(seed)
        self.drawn: dict[int, np.ndarray] = {}

    def next_step(self) -> None:
        """Forget the noise of the step before."""
        self.drawn.clear()

    def draw(self, draws: tuple[Draw, ...], stream_id: int, subject: tuple[int, ...]) -> list[np.ndarray]:
        """Draw the noise that a regularizer declares for a subject of this shape; ``stream_id`` is its first stream."""
        return [
            self.draw_array(draw, draw.stream(stream_id + number), draw.shape(subject))
            for number, draw in enumerate(draws)
        ]

    def draw_array(self, draw: Draw, stream: int, shape: tuple[int, ...]) -> np.ndarray:
        """Draw one array of noise."""
        if stream not in self.drawn:
            self.drawn[stream] = self.noise.ticks(stream, *shape)
        ticks = self.drawn[stream].reshape(shape)
        return ticks / TICKS if draw.kind == "uniform" else normal_quantiles()[ticks]
