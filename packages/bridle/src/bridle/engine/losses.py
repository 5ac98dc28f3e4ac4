"""The data loss of each variant."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["data_losses"]


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
    if z.shape[-1] == 1 and y.is_floating_point():
        target = y[:, None] if y.ndim == 2 else y.squeeze(-1)
        return (z.squeeze(-1).to(y.dtype) - target).square()
    wide = z.float() if z.dtype.itemsize < 4 else z
    # Classes before rows: torch's softmax over the last of a few classes is several times slower.
    by_class = wide.flatten(0, 1).mT.contiguous()
    if y.ndim == 4:
        target = y.expand(z.shape).flatten(0, 1).mT.to(wide.dtype)
    else:
        target = y[:, None].expand(z.shape[:3]).flatten(0, 1)
    return F.cross_entropy(by_class, target, reduction="none").view(z.shape[:3])
