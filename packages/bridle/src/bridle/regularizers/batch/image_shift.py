"""Random shifts: an image a few pixels aside shows the same."""

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


def image_shift_vanilla(
    x: np.ndarray, y: np.ndarray, down: np.ndarray, right: np.ndarray, *, limit: float, layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """(batch, features), (batch, outputs) and uniform noise (batch, 1), twice -> the new rows, the same targets."""
    channels, height, width = layout.image_shape
    images = x.reshape(-1, channels, height, width)
    framed = np.pad(images, ((0, 0), (0, 0), (height, height), (width, width)))
    steps = zip(whole_steps_vanilla(down, limit * height), whole_steps_vanilla(right, limit * width), strict=True)
    shifted = [
        image[:, height - i : 2 * height - i, width - j : 2 * width - j]
        for image, (i, j) in zip(framed, steps, strict=True)
    ]
    return np.stack(shifted).reshape(x.shape), y


def whole_steps_vanilla(noise: np.ndarray, most: float) -> list[int]:
    """Uniform noise (batch, 1) -> for each row a whole number from -most to most."""
    most = np.rint(most)
    return [int(step) for step in np.floor(noise[:, 0] * (2 * most + 1)) - most]


def image_shift(
    x: Tensor, y: Tensor, down: Tensor, right: Tensor, *, limit: float | Tensor, layout: Layout
) -> tuple[Tensor, Tensor]:
    """(..., batch, features), (..., batch, outputs), uniform noise (..., batch, 1), twice -> the new rows, targets."""
    images = x.unflatten(-1, layout.image_shape)
    for axis, noise in ((-2, down), (-1, right)):
        images = shifted(images, whole_steps(noise, limit * images.shape[axis]), axis)
    return images.flatten(-3), y


def whole_steps(noise: Tensor, most: float | Tensor) -> Tensor:
    """Uniform noise (..., batch, 1) -> for each row a whole number from -most to most, (..., batch, 1)."""
    most = (most * torch.ones_like(noise)).round()
    return (torch.floor(noise * (2 * most + 1)) - most).long()


def shifted(images: Tensor, steps: Tensor, axis: int) -> Tensor:
    """(..., batch, channels, height, width) and steps (..., batch, 1) along an axis -> images, zeros moved in."""
    length = images.shape[axis]
    places = torch.arange(length, device=images.device).view(-1, *[1] * (-1 - axis))
    source = places - steps[..., None, None]
    found = torch.take_along_dim(images, source.clamp(0, length - 1), axis)
    return torch.where((source >= 0) & (source < length), found, 0.0)


@dataclass(frozen=True, repr=False)
class ImageShift(Batch):
    """Shifts each image by a random number of whole pixels in both directions, another one at every step.

    Formula:
        x[i, j] ← x[i - a, j - b], zero outside;   a and b uniform among the whole numbers from -limit · side to
        limit · side (rounded), for each row;   nothing in evaluation

    Helps when:
        The object may stand anywhere, and above all where the network has no convolutions and must learn that.

    Hurts when:
        The place itself tells the answer, or objects reach to the border and are cut off. Zero should be an ordinary
        value, such as the background or the mean.

    Conversion:
        torchvision's RandomCrop(side, padding=p): limit = p / side; the 4 pixels around 32 that are usual for CIFAR-10
        are 0.125. Keras's RandomTranslation(limit, limit, fill_mode="constant") also moves by parts of a pixel.

    Example:
        >>> import torch
        >>> x, y, image = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.ones(1, 1), Layout((1, 2, 2))
        >>> down, right = torch.tensor([[0.9]]), torch.tensor([[0.5]])
        >>> ImageShift.torch(x, y, down, right, limit=0.5, layout=image)[0].view(2, 2)
        tensor([[0., 0.],
                [1., 2.]])

    Paper:
        He et al., Deep Residual Learning for Image Recognition, 2015, https://arxiv.org/abs/1512.03385, section 4.2
        (padding and a random crop).
    """

    limit: Strength = knob(
        0.125,
        "largest shift as a share of the side",
        off=0.0,
        high=1.0,
        known_as=("height_factor", "width_factor", "shift_limit"),
        differs=("padding",),
    )

    known_as = ("RandomCrop", "RandomTranslation")
    noise: ClassVar[tuple[Draw, ...]] = (Draw("uniform", "row"), Draw("uniform", "row"))
    step_inputs = ("layout",)
    images_only: ClassVar[bool] = True
    vanilla = staticmethod(image_shift_vanilla)
    torch = staticmethod(image_shift)
