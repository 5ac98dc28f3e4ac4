"""CutMix: a patch of another row is pasted in, and the answer counts what each of the two contributes."""

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


def cut_mix_vanilla(  # noqa: PLR0917  (four kinds of noise)
    x: np.ndarray,
    y: np.ndarray,
    coin: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    spots: np.ndarray,
    *,
    rate: float,
    alpha: float,
    layout: Layout,
) -> tuple[np.ndarray, np.ndarray]:
    """(batch, features), (batch, outputs), uniform numbers (1, 1), uniform noise like ``x`` -> the mixed batch."""
    area = (coin < rate) * beta_vanilla(u, v, alpha)
    if layout.image:
        half = np.sqrt(area) / 2  # of the box's height and width, the image's being 1
        vertical, horizontal = layout.centers  # the box's own is told by the noise of the first and the last feature
        pasted = (abs(vertical - spots[:, :1]) < half) & (abs(horizontal - spots[:, -1:]) < half)
        share = pasted.mean(1, keepdims=True, dtype=y.dtype)
    else:
        pasted = spots[:, layout.first_of_group] < area
        share = pasted[:, layout.firsts].mean(1, keepdims=True, dtype=y.dtype)
    other_x, other_y = np.roll(x, 1, axis=0), np.roll(y, 1, axis=0)
    return np.where(pasted, other_x, x), (1 - share) * y + share * other_y


def beta_vanilla(u: np.ndarray, v: np.ndarray, alpha: float) -> np.ndarray:
    """Two uniform numbers -> one of the law Beta(alpha, alpha), by one line of Devroye's."""
    with np.errstate(divide="ignore"):  # u = 0: the logarithm of w is -inf, so w = 0
        log_w = np.log(u) / alpha  # w = u^(1 / alpha)
    odds = np.exp(log_w) / -np.expm1(log_w)  # w / (1 - w)
    cosine = np.cos(2 * np.pi * v)
    share: np.ndarray = 0.5 + 0.5 * cosine / np.sqrt(cosine**2 + odds)
    return share


def cut_mix(  # noqa: PLR0917  (four kinds of noise)
    x: Tensor,
    y: Tensor,
    coin: Tensor,
    u: Tensor,
    v: Tensor,
    spots: Tensor,
    *,
    rate: float | Tensor,
    alpha: float | Tensor,
    layout: Layout,
) -> tuple[Tensor, Tensor]:
    """(..., batch, features), (..., batch, outputs), numbers (..., 1, 1), noise like ``x`` -> the mixed batch."""
    wide = torch.promote_types(x.dtype, torch.float32)
    area = (coin < rate) * beta(u.to(wide), v.to(wide), alpha)
    if layout.image:
        pasted, share = box(area.sqrt() / 2, spots, layout)
    else:
        pasted = spots[..., torch.as_tensor(layout.first_of_group, device=x.device)] < area
        counted = pasted[..., torch.as_tensor(layout.firsts, device=x.device)]
        share = counted.sum(-1, keepdim=True).to(wide) / counted.shape[-1]
    mixed = (1 - share) * y + share * torch.roll(y, 1, -2)
    return torch.where(pasted, torch.roll(x, 1, -2), x), mixed.to(y.dtype)


def box(half: Tensor, spots: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Half of a side (..., 1, 1), noise (..., batch, features) -> the pixels in the box, and their share.

    A box is where some rows and some columns of the image meet, so few numbers have to be compared.
    """
    centers = torch.as_tensor(layout.centers, dtype=half.dtype, device=half.device)
    vertical, horizontal = centers.unflatten(-1, layout.image_shape)[:, 0]
    rows = (vertical[:, 0] - spots[..., :1]).abs() < half
    columns = (horizontal[0] - spots[..., -1:]).abs() < half
    counted = rows.sum(-1, keepdim=True) * columns.sum(-1, keepdim=True)
    inside = (rows.unsqueeze(-1) & columns.unsqueeze(-2)).unsqueeze(-3)
    return inside.expand(*inside.shape[:-3], *layout.image_shape).flatten(-3), counted.to(half.dtype) / vertical.numel()


def beta(u: Tensor, v: Tensor, alpha: float | Tensor) -> Tensor:
    """Two uniform numbers -> one of the law Beta(alpha, alpha)."""
    log_w = torch.log(u) / alpha
    odds = torch.exp(log_w) / -torch.expm1(log_w)
    cosine = torch.cos(2 * torch.pi * v)
    return 0.5 + 0.5 * cosine / torch.sqrt(cosine.square() + odds)


@dataclass(frozen=True, repr=False)
class CutMix(Batch):
    """Replaces a part of each row by that of another and mixes the targets by the share that was really replaced.

    Formula:
        x ← m · x' + (1 - m) · x,   y ← share · y' + (1 - share) · y,   share = mean of m over the row,   in a fraction
        ``rate`` of the batches;   x', y' are the row before: batches are shuffled, so it is a random one.
        Images: m is 1 in a box of the image's proportions and the area a ~ Beta(alpha, alpha), one size for each batch,
        with its center anywhere in the image, for each row, and cut off at the border.
        Tables: m is 1 for each column with probability a, for each row; the columns of one category go together.

    Helps when:
        A large network sees few images (it must know an object by more than its most telling part), or learns the rows
        of a table by heart.

    Hurts when:
        The box hides what decides, or holds only background: the target then names what cannot be seen. The network
        underfits, or columns mean something only together.

    Conversion:
        timm's Mixup(mixup_alpha=0.0, cutmix_alpha=alpha, prob=rate, label_smoothing=0.0); torchvision's and Composer's
        CutMix(alpha=alpha) for rate = 1. They paste one box, at one place, into all rows of a batch.

    Example:
        >>> import torch
        >>> x, y, zeros = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.eye(2), torch.zeros(1, 1)
        >>> spots, table = torch.tensor([[0.1, 0.9], [0.2, 0.2]]), Layout(groups=(0, 1))
        >>> half = torch.tensor([[0.25]])  # an area of a half
        >>> CutMix.torch(x, y, zeros, half, half, spots, rate=1.0, alpha=1.0, layout=table)
        (tensor([[3., 2.],
                [1., 2.]]), tensor([[0.5000, 0.5000],
                [1.0000, 0.0000]]))

    Paper:
        Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, 2019,
        https://arxiv.org/abs/1905.04899, equations 1 and 2. Tables: Kadra et al., Well-tuned Simple Nets Excel on
        Tabular Datasets, 2021, https://arxiv.org/abs/2106.11189 (columns one by one, lambda uniform). Beta: Devroye,
        Random Variate Generation in One Line of Code, 1996.
    """

    rate: Strength = knob(
        1.0, "fraction of batches that are mixed", off=0.0, high=1.0, known_as=("p", "prob", "cutmix_prob")
    )
    alpha: Strength = knob(
        1.0,
        "both parameters of the area's beta distribution",
        open_low=True,
        open_high=True,
        log=True,
        known_as=("cutmix_alpha", "beta"),
    )

    mixes_rows: ClassVar[bool] = True
    noise: ClassVar[tuple[Draw, ...]] = (*3 * (Draw("uniform", "batch"),), Draw("uniform"))
    step_inputs = ("layout",)
    vanilla = staticmethod(cut_mix_vanilla)
    torch = staticmethod(cut_mix)
