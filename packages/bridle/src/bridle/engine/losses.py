"""The data loss of each variant, and its gradient."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["data_losses", "data_losses_and_gradient"]


def data_losses(z: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean loss over the batch, (S, R), of outputs (S, R, B, outputs) and targets.

    Targets are (S, B): class ids, for softmax cross-entropy in nats, or numbers (standardized), for the squared error.
    Or they are (S, 1 or R, B, outputs): probabilities of the classes, or the number. ``weights`` (S, 1 or R, B) are
    what each row's loss counts in the mean.
    """
    losses = row_losses(z, y)
    return (losses if weights is None else losses * weights).mean(2)


def row_losses(z: Tensor, y: Tensor) -> Tensor:
    """Return the loss of each row, (S, R, B)."""
    if is_number(z, y):
        return (z.squeeze(-1).to(y.dtype) - target_numbers(y)).square()
    by_class = at_least_float32(z).flatten(0, 1).mT.contiguous()
    if y.ndim == 4:
        target = y.expand(z.shape).flatten(0, 1).mT.to(by_class.dtype)
    else:
        target = y[:, None].expand(z.shape[:3]).flatten(0, 1)
    return F.cross_entropy(by_class, target, reduction="none").view(z.shape[:3])


def data_losses_and_gradient(z: Tensor, y: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return :func:`data_losses` and, by hand, the gradient of their sum with respect to ``z``, in its shape."""
    losses, slopes = row_losses_and_slopes(z, y)
    share = 1 / z.shape[2] if weights is None else weights[..., None] / z.shape[2]
    return (losses if weights is None else losses * weights).mean(2), slopes.mul_(share).to(z.dtype)


def row_losses_and_slopes(z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of each row, (S, R, B), and its gradient with respect to the outputs, (S, R, B, outputs)."""
    if is_number(z, y):
        difference = z.squeeze(-1).to(y.dtype) - target_numbers(y)
        return difference.square(), 2 * difference[..., None]
    by_class = at_least_float32(z).mT.log_softmax(2)  # (S, R, classes, B)
    if y.ndim == 4:
        target = y.mT.to(by_class.dtype)
        return -(target * by_class).sum(2), (by_class.exp() * target.sum(2, keepdim=True) - target).mT
    ids = y[:, None, None].expand(*z.shape[:2], 1, -1)
    losses = -by_class.gather(2, ids).squeeze(2)
    slopes = by_class.exp_().scatter_(2, ids, -1.0, reduce="add")
    return losses, slopes.mT


def is_number(z: Tensor, y: Tensor) -> bool:
    """Return True where the outputs are the number to predict, and not classes."""
    return z.shape[-1] == 1 and y.is_floating_point()


def target_numbers(y: Tensor) -> Tensor:
    """Return the numbers to predict as (S, 1 or R, B)."""
    return y[:, None] if y.ndim == 2 else y.squeeze(-1)


def at_least_float32(z: Tensor) -> Tensor:
    """Return outputs in a precision in which losses are taken, classes before rows.

    torch's softmax over the last of a few classes is several times slower.
    """
    return (z.float() if z.dtype.itemsize < 4 else z).mT.contiguous().mT
