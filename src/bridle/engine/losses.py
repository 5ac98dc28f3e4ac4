"""The data loss of each variant."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def data_losses(z: Tensor, y: Tensor) -> Tensor:
    """Outputs (S, R, B, outputs) and targets (S, B) -> the mean loss over the batch, (S, R).

    Class ids: softmax cross-entropy in nats. Numbers (standardized): squared error of the single output.
    """
    y = y[:, None].expand(z.shape[:3])
    if y.is_floating_point():
        return (z.squeeze(-1).to(y.dtype) - y).square().mean(2)
    wide = z.float() if z.dtype.itemsize < 4 else z
    return F.cross_entropy(wide.flatten(0, 2), y.flatten(), reduction="none").view(y.shape).mean(2)
