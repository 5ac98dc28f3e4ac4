"""The product of a batch with the first layer's weights, which is most of the work of training a small network.

Inputs that are zero in every training row, as the rim of every MNIST image is, add nothing to the outputs, and their
weights have no gradient: the product leaves them out. And the gradient, the largest array of a step, is written into
the same memory every time, where a fresh array would cost as much as the product saves.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class FirstLayer(Function):
    """(S, B, used), (S, inputs, units), (S, 1, units) -> (S, B, units); the weights' first ``used`` inputs take part.

    ``gradient`` is where the weights' gradient goes, in their shape. The inputs have none.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor, gradient: Tensor) -> Tensor:
        """Products in the precision of ``x``."""
        ctx.save_for_backward(x)
        ctx.gradient, ctx.bias_dtype = gradient, b.dtype
        return torch.baddbmm(b.to(x.dtype), x, w[:, : x.shape[2]].to(x.dtype))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        """What is left out has a gradient of zero."""
        (x,) = ctx.saved_tensors
        used, unused = ctx.gradient.split([x.shape[2], ctx.gradient.shape[1] - x.shape[2]], dim=1)
        if used.dtype == x.dtype:
            torch.bmm(x.mT, g, out=used)
        else:
            used.copy_(torch.bmm(x.mT, g))
        unused.zero_()  # a penalty has added its own there in the step before
        return None, ctx.gradient, g.sum(1, keepdim=True, dtype=ctx.bias_dtype), None
