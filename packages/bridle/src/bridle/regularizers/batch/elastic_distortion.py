"""Elastic distortion: an image drawn on rubber shows the same when the rubber is pulled a little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bridle.feature_layout import Layout
from bridle.knobs import knob
from bridle.places import Batch, Draw
from bridle.schedules import Strength


def elastic_distortion_vanilla(
    x: np.ndarray,
    y: np.ndarray,
    down: np.ndarray,
    right: np.ndarray,
    *,
    strength: float,
    spread: float,
    layout: Layout,
) -> tuple[np.ndarray, np.ndarray]:
    """(batch, features), (batch, outputs) and uniform noise like ``x``, twice -> the new rows, the same targets."""
    channels, height, width = layout.image_shape
    images = x.reshape(-1, channels, height, width)
    smooth_rows, smooth_columns = gaussian_vanilla(height, spread), gaussian_vanilla(width, spread)
    distorted = []
    for image, *noise in zip(images, down, right, strict=True):
        fields = [2 * each[: height * width].reshape(height, width) - 1 for each in noise]
        moves = [strength * smooth_rows @ field @ smooth_columns.T for field in fields]
        rows = np.arange(height)[:, None] + moves[0]
        columns = np.arange(width) + moves[1]
        distorted.append(between_pixels_vanilla(image, rows, columns))
    return np.stack(distorted).reshape(x.shape).astype(x.dtype), y


def gaussian_vanilla(side: int, spread: float) -> np.ndarray:
    """(side, side): each row averages its neighbors by a Gaussian; at the border, by what there is of it."""
    places = np.arange(side)
    weights = np.exp(-0.5 * ((places[:, None] - places) / spread) ** 2)
    averages: np.ndarray = weights / weights.sum(1, keepdims=True)
    return averages


def between_pixels_vanilla(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(channels, height, width) at (height, width) places between its pixels; zero outside."""
    _, height, width = image.shape
    framed = np.pad(image, ((0, 0), (1, 1), (1, 1)))  # a frame of zeros, at -1 and at height and width
    rows, columns = rows.clip(-1, height), columns.clip(-1, width)
    top, left = (np.floor(each).clip(max=side - 1) for each, side in ((rows, height), (columns, width)))
    low, far = rows - top, columns - left  # how far below and to the right of the pixel above and to the left
    i, j = top.astype(int) + 1, left.astype(int) + 1
    above = (1 - far) * framed[:, i, j] + far * framed[:, i, j + 1]
    below = (1 - far) * framed[:, i + 1, j] + far * framed[:, i + 1, j + 1]
    values: np.ndarray = (1 - low) * above + low * below
    return values


def elastic_distortion(
    x: Tensor,
    y: Tensor,
    down: Tensor,
    right: Tensor,
    *,
    strength: float | Tensor,
    spread: float | Tensor,
    layout: Layout,
) -> tuple[Tensor, Tensor]:
    """(..., batch, features), (..., batch, outputs) and uniform noise like ``x``, twice -> the new rows, targets."""
    _, height, width = layout.image_shape
    wide = torch.promote_types(x.dtype, torch.float32)
    one = torch.ones((), dtype=wide, device=x.device)
    strength, spread = ((one * each)[..., None] for each in (strength, spread))  # images have an axis more than rows
    smooth_rows, smooth_columns = gaussian(height, spread), gaussian(width, spread)
    fields = [2 * noise[..., : height * width].to(wide).unflatten(-1, (height, width)) - 1 for noise in (down, right)]
    moves = [strength * smooth_rows @ field @ smooth_columns.mT for field in fields]
    rows = torch.arange(height, device=x.device)[:, None] + moves[0]
    columns = torch.arange(width, device=x.device) + moves[1]
    images = x.unflatten(-1, layout.image_shape)
    return between_pixels(images, rows, columns).flatten(-3).to(x.dtype), y


def gaussian(side: int, spread: Tensor) -> Tensor:
    """A number, or one for each variant (..., 1) -> the averages of :func:`gaussian_vanilla`, (..., side, side)."""
    places = torch.arange(side, device=spread.device)
    weights = torch.exp(-0.5 * ((places[:, None] - places) / spread).square())
    return weights / weights.sum(-1, keepdim=True)


def between_pixels(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(..., channels, height, width) at (..., height, width) places between the pixels; zero outside."""
    height, width = images.shape[-2:]
    framed = F.pad(images, (1, 1, 1, 1)).flatten(-2)
    rows, columns = rows.clamp(-1, height), columns.clamp(-1, width)
    top, left = rows.floor().clamp(max=height - 1), columns.floor().clamp(max=width - 1)
    low, far = ((place - pixel).flatten(-2)[..., None, :] for place, pixel in ((rows, top), (columns, left)))
    first = ((top + 1) * (width + 2) + left + 1).long().flatten(-2)[..., None, :]
    corners = [torch.take_along_dim(framed, first + step, -1) for step in (0, 1, width + 2, width + 3)]
    above = (1 - far) * corners[0] + far * corners[1]
    below = (1 - far) * corners[2] + far * corners[3]
    values: Tensor = ((1 - low) * above + low * below).unflatten(-1, (height, width))
    return values


@dataclass(frozen=True, repr=False)
class ElasticDistortion(Batch):
    """Moves every pixel of an image a little, neighbors almost alike, in another way at every step.

    Formula:
        x[i, j] ← x[i + a, j + b] between the pixels (bilinear), zero outside;
        a, b = strength · Gaussian(spread) ∗ n,   n ~ Uniform(-1, 1) for each pixel and row;   nothing in evaluation

    Helps when:
        Images are of handwriting or of living tissue, whose forms vary just so, and there are few of them.

    Hurts when:
        Straight lines and exact proportions tell the answer; the spread is so small that the image is only ruffled, or
        the strength so large that it is torn. Zero should be an ordinary value, such as the background or the mean.

    Conversion:
        strength and spread are the paper's alpha and sigma, in pixels; the pixels move by about
        strength / (6.1 · spread) each way (root mean square). torchvision's ElasticTransform(alpha, sigma):
        strength = alpha / 2, spread = sigma (at the border it reflects what is here averaged over the image alone).

    Example:
        >>> import torch
        >>> x, y, image = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.ones(1, 1), Layout((1, 1, 4))
        >>> middle, right = torch.full((1, 4), 0.5), torch.full((1, 4), 0.75)  # nothing up or down, a half to the right
        >>> ElasticDistortion.torch(x, y, middle, right, strength=1.0, spread=4.0, layout=image)[0]
        tensor([[1.5000, 2.5000, 3.5000, 2.0000]])

    Paper:
        Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, 2003,
        https://doi.org/10.1109/ICDAR.2003.1227801, section 2.
    """

    strength: Strength = knob(
        34.0, "factor of the smoothed noise, in pixels", off=0.0, open_high=True, log=True, differs=("alpha",)
    )
    spread: Strength = knob(
        4.0,
        "standard deviation of the smoothing, in pixels",
        open_low=True,
        open_high=True,
        log=True,
        known_as=("sigma",),
    )

    known_as = ("ElasticTransform",)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform"), Draw("uniform"))
    step_inputs = ("layout",)
    images_only: ClassVar[bool] = True
    vanilla = staticmethod(elastic_distortion_vanilla)
    torch = staticmethod(elastic_distortion)
