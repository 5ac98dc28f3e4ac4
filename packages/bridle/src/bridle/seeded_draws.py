"""Every random number of a training run, from its seed alone, drawn by NumPy.

Both engines and every device take their numbers here, so a run is the same wherever it is trained, recipes compared
under one seed share initial weights, batch order and noise (common random numbers), and neighbours in a stack cannot
disturb each other. Each purpose has its own stream: adding a dropout layer does not change the batch order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy.special import ndtri

__all__ = ["TICKS", "Noise", "batch_orders", "linear_weights", "normal_quantiles"]

WEIGHTS, BATCHES, NOISE = range(3)
TICKS = 65536  # noise has 16 bits per unit: rates are exact to 1/65536 and a draw costs two bytes


def stream(seed: int, purpose: int, *key: int) -> np.random.Generator:
    """Return the generator for one purpose of the run with this seed."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, purpose, *key])))


def linear_weights(seed: int, layer: int, inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the initial weight (outputs, inputs) and bias (outputs,) of a linear layer, float64.

    Uniform in ±1/√inputs, torch's default for ``nn.Linear``.
    """
    random = stream(seed, WEIGHTS, layer)
    bound = 1 / math.sqrt(inputs)
    return random.uniform(-bound, bound, (outputs, inputs)), random.uniform(-bound, bound, outputs)


def batch_orders(seed: int, rows: int, batch_size: int) -> Iterator[np.ndarray]:
    """Yield, epoch after epoch, a shuffled order of the rows, int64, cut to whole batches.

    The rows that do not fill a batch are left out of that epoch (others in the next), so that every step is alike. A
    data set smaller than one batch is one batch.
    """
    random = stream(seed, BATCHES)
    while True:
        order = random.permutation(rows)
        yield order[: rows - rows % min(batch_size, rows)]


@cache
def normal_quantiles() -> np.ndarray:
    """Return the normal distribution in 65536 values: each tick's quantile, scaled to a deviation of exactly 1.

    The outermost lie 4.3 deviations from the mean.
    """
    quantiles = ndtri((np.arange(TICKS) + 0.5) / TICKS)
    return np.asarray(quantiles / quantiles.std())


class Noise:
    """The noise of one run: for each step and stream, 16-bit draws of the shape asked for."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.bits: dict[int, np.random.SFC64] = {}

    def ticks(self, stream_id: int, *shape: int) -> np.ndarray:
        """Draw the next numbers of a stream: uint16, uniform on 0 ... 65535."""
        if stream_id not in self.bits:
            self.bits[stream_id] = np.random.SFC64(np.random.SeedSequence([self.seed, NOISE, stream_id]))
        count = math.prod(shape)
        words = self.bits[stream_id].random_raw(-(-count // 4))
        return words.view(np.uint16)[:count].reshape(shape)

    def positions(self) -> dict[int, list[int]]:
        """Return the position of each stream, from which :meth:`seek` goes on."""
        return {
            stream_id: [int(word) for word in bits.state["state"]["state"]] for stream_id, bits in self.bits.items()
        }

    def seek(self, positions: dict[int, list[int]]) -> None:
        """Draw on from where another noise of the same seed stood."""
        for stream_id, words in positions.items():
            self.bits[stream_id] = np.random.SFC64(0)
            state = self.bits[stream_id].state
            state["state"]["state"] = np.array(words, dtype=np.uint64)
            self.bits[stream_id].state = state

    def uniform(self, stream_id: int, *shape: int) -> np.ndarray:
        """Draw the next numbers in [0, 1), float64."""
        return self.ticks(stream_id, *shape) / TICKS
