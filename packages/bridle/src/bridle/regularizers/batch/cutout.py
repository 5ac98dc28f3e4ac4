"""Cutout: the answer must not hang on one part of the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.feature_layout import Layout
from bridle.knobs import knob
from bridle.places import Batch, Draw
from bridle.schedules import Strength


def cutout_vanilla(
    x: np.ndarray, y: np.ndarray, noise: np.ndarray, *, rate: float, layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """(batch, features), (batch, outputs) and uniform noise like ``x`` -> the new rows, the same targets."""
    if layout.image:
        half = rate**0.5 / 2  # of the patch's height and width, the image's being 1
        vertical, horizontal = layout.centers  # the patch's own is told by the noise of the first and the last feature
        hidden = (abs(vertical - noise[:, :1]) < half) & (abs(horizontal - noise[:, -1:]) < half)
    else:
        hidden = noise[:, layout.first_of_group] < rate
    return np.where(hidden, np.zeros_like(x), x), y


def cutout(x: Tensor, y: Tensor, noise: Tensor, *, rate: float | Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """(..., batch, features), (..., batch, outputs) and uniform noise like ``x`` -> the new rows, the same targets."""
    if layout.image:
        half = rate**0.5 / 2
        vertical, horizontal = torch.as_tensor(layout.centers, dtype=noise.dtype, device=x.device)
        hidden = ((vertical - noise[..., :1]).abs() < half) & ((horizontal - noise[..., -1:]).abs() < half)
    else:
        hidden = noise[..., torch.as_tensor(layout.first_of_group, device=x.device)] < rate
    return torch.where(hidden, 0.0, x), y


@dataclass(frozen=True, repr=False)
class Cutout(Batch):
    """Hides a part of each row from the network, another one at every step, by setting it to zero.

    Formula:
        x ← (1 - m) · x;   nothing in evaluation.
        Images: m is 1 in a patch of the image's proportions and ``rate`` of its area, with its center anywhere in the
        image, for each row, and cut off at the border (so that less than ``rate`` is hidden on average).
        Tables: m is 1 for each column with probability ``rate``; the columns of one category go together.

    Helps when:
        The network decides by one part of an image, or one column, that is not always there.

    Hurts when:
        The patch hides what decides, or the network underfits. Zero should be an ordinary value: standardize inputs
        first. What remains is not scaled up, so the inputs' size is another one in evaluation.

    Conversion:
        A patch of length · length pixels in an image of side · side: rate = (length / side)²; the paper's 16 pixels in
        32 are 0.25, its 8 are 0.0625. Composer's CutOut(length=share of the side): rate = length².

    Example:
        >>> import torch
        >>> x, y = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0]])
        >>> noise, table = torch.tensor([[0.5, 0.1, 0.9]]), Layout(groups=(0, 1, 1))  # columns 1 and 2: one category
        >>> Cutout.torch(x, y, noise, rate=0.25, layout=table)[0]
        tensor([[1., 0., 0.]])

    Paper:
        DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017,
        https://arxiv.org/abs/1708.04552, section 3. Tables: Kadra et al., Well-tuned Simple Nets Excel on Tabular
        Datasets, 2021, https://arxiv.org/abs/2106.11189 (columns one by one).
    """

    rate: Strength = knob(
        0.25,
        "area of the patch as a share of the image; fraction of a table's columns",
        off=0.0,
        high=1.0,
        open_high=True,
        differs=("length",),
    )

    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform"),)
    step_inputs = ("layout",)
    vanilla = staticmethod(cutout_vanilla)
    torch = staticmethod(cutout)
