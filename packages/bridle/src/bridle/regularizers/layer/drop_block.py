"""DropBlock: what a dropped pixel said, its neighbors still say, so the neighbors go with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Draw, Layer
from bridle.schedules import Strength


def drop_block_vanilla(
    h: np.ndarray, noise: np.ndarray, *, rate: float, block: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray]]]:
    """(batch, channels, height, width) and noise in [0, 1) of that shape -> the same shape, the gradient function."""
    height, width = h.shape[2:]
    tall, wide = min(round(block), height), min(round(block), width)
    down, across = height - tall + 1, width - wide + 1  # places at which a block can begin and still lie in the map
    chance = rate * (height / (tall * down)) * (width / (wide * across))  # of a block at each: the paper's gamma
    stays = np.ones_like(h)
    for row in range(down):
        for column in range(across):
            begins = noise[:, :, row, column] < chance
            stays[:, :, row : row + tall, column : column + wide] *= ~begins[:, :, None, None]
    share = max(float(stays.sum()), 1.0) / stays.size  # what stays in fact; where nothing does, the result is 0

    def backward(g: np.ndarray) -> tuple[np.ndarray]:
        return (g * stays / share,)

    return h * stays / share, backward


def drop_block(h: Tensor, noise: Tensor, *, rate: float | Tensor, block: float | Tensor) -> Tensor:
    """(..., batch, channels, height, width) and noise in [0, 1) of that shape -> the same shape."""
    below, per_row = blocks_along(h.shape[-2], block, noise)
    beside, per_column = blocks_along(h.shape[-1], block, noise)
    begins = (noise < rate * per_row * per_column).to(noise.dtype)
    dropped = (covered(covered(begins, beside).mT, below).mT > 0).to(noise.dtype)
    # Not the mean of what stays: where nothing is dropped, this one is exactly 1 for a map of any size.
    share = 1 - dropped.mean((-4, -3, -2, -1), keepdim=True)
    return (h * ((1 - dropped) / share.clamp(min=1 / dropped.shape[-4:].numel()))).to(h.dtype)


def blocks_along(length: int, block: float | Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """One axis of a map and the knob, a number or (..., 1, 1, 1, 1) -> where blocks lie, and how many there are.

    The first is (..., length, length): 1 where a block that begins at the row's place lies over the column's, if it
    lies in the map at all. The second, (..., 1, 1, 1, 1), is the chance of a block at each such place, for a rate of 1.
    """
    side = (like.new_ones(1, 1, 1, 1) * block).round().clamp(max=length)
    place = torch.arange(length, dtype=like.dtype, device=like.device)
    ahead = place - place[:, None]
    over = (ahead >= 0) & (ahead < side) & (place[:, None] <= length - side)
    return over.flatten(-4, -2).to(like.dtype), length / (side * (length - side + 1))


def covered(begins: Tensor, over: Tensor) -> Tensor:
    """(..., batch, channels, height, width) and (..., width, width) -> how many blocks lie over each pixel."""
    count: Tensor = begins.flatten(-4, -2) @ over
    return count.view(*count.shape[:-2], *begins.shape[-4:])


@dataclass(frozen=True, repr=False)
class DropBlock(Layer):
    """Silences square blocks of pixels, about ``rate`` of each feature map, and scales up the rest to keep the mean.

    Formula:
        h ← h · m / mean(m),   mean over all of a batch;   m = 0 in blocks of ``block`` · ``block`` pixels, else 1.
        A block begins with the probability gamma at each pixel where it lies in the map as a whole,
        gamma = rate · height · width / (block² · (height - block + 1) · (width - block + 1)).
        Nothing in evaluation. Blocks are cut to the map: stretches of a sequence, and Dropout without positions.

    Helps when:
        Layers are convolutions and maps are large: dropping single pixels hides nothing, a block hides a whole feature.
        The paper raises the rate over the training, as in rate=linear(0.0, 0.1).

    Hurts when:
        Maps are hardly larger than the block (then whole channels go), or the network underfits. Blocks overlap, so
        that less than ``rate`` is dropped: 0.39 of a large map at rate 0.5.

    Conversion:
        torchvision's DropBlock2d(p, block_size) = rate, block, which must be odd there and is cut to the shorter side.
        timm's DropBlock2d(drop_prob, block_size) = rate, block drops the same pixels in all channels (unless
        couple_channels=False), and its blocks may lie half outside the map. The paper's keep_prob = 1 - rate.

    Conflicts:
        Dropout: doubtful. Where both act their rates compound; keep one, or give each its own at.

    Example:
        >>> import torch
        >>> h, noise = torch.ones(1, 1, 3, 3), torch.full((1, 1, 3, 3), 0.9)
        >>> noise[..., 0, 1] = 0.1  # a block begins in the middle of the first row
        >>> DropBlock.torch(h, noise, rate=0.4, block=2.0).view(3, 3)
        tensor([[1.8000, 0.0000, 0.0000],
                [1.8000, 0.0000, 0.0000],
                [1.8000, 1.8000, 1.8000]])
        >>> DropBlock(rate=0.1).module()(torch.ones(2, 4, 3, 3)).shape  # as a module, in any network
        torch.Size([2, 4, 3, 3])

    Paper:
        Ghiasi, Lin and Le, DropBlock: A regularization method for convolutional networks, 2018,
        https://arxiv.org/abs/1810.12890, algorithm 1 and equation 1.
    """

    rate: Strength = knob(
        0.1,
        "fraction of pixels dropped, were there no overlap",
        off=0.0,
        high=1.0,
        open_high=True,
        known_as=("p", "drop_prob", "drop_rate"),
        differs=("keep_prob",),
    )
    block: Strength = knob(7.0, "side of a block in pixels, rounded", low=1.0, open_high=True, known_as=("block_size",))

    known_as = ("DropBlock2d",)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform"),)
    maps: ClassVar[bool] = True
    vanilla = staticmethod(drop_block_vanilla)
    torch = staticmethod(drop_block)

    @staticmethod
    def evaluate(h: Any, **numbers: Any) -> Any:
        """(batch, channels, height, width) -> itself."""
        del numbers  # a trained network uses all of its maps, whatever the rate was
        return h
