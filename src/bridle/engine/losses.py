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
    # Classes before rows: torch's softmax over the last of a few classes is several times slower.
    by_class = wide.flatten(0, 1).mT.contiguous()
    return F.cross_entropy(by_class, y.flatten(0, 1), reduction="none").view(y.shape).mean(2)
