"""Adaptive clipping: a gradient is long or short only in comparison with the weights it is to change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Gradient
from bridle.schedules import Strength


def adaptive_clip_vanilla(g: np.ndarray, w: np.ndarray, *, limit: float, eps: float) -> np.ndarray:
    """A gradient and its weight, both (outputs, inputs, positions) -> the same shape."""
    axes = unit_axes(g.shape)
    longest = limit * np.maximum(np.sqrt((w**2).sum(axes, keepdims=True)), eps)
    length = np.sqrt((g**2).sum(axes, keepdims=True))
    shortened: np.ndarray = g / np.maximum(length / longest, 1)
    return shortened


def adaptive_clip(
    g: Tensor, w: Tensor, *, limit: float | Tensor, eps: float | Tensor, out: Tensor | None = None
) -> Tensor:
    """A gradient and its weight, both (..., outputs, inputs, positions) -> the same shape."""
    axes = unit_axes(g.shape)
    one = g.new_tensor(1.0)
    longest = limit * torch.maximum(lengths(w, axes), one * eps)
    excess = (lengths(g, axes) / longest).clamp(min=1)
    return torch.div(g, excess.to(g.dtype), out=out)


def lengths(tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Along some axes, which are kept; a sum of squares is quick along any axis, vector_norm only along the closest."""
    wide = tensor.to(torch.promote_types(tensor.dtype, torch.float32))
    return wide.square().sum(axes, keepdim=True).sqrt()


def unit_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the axes of one unit's weights; units of a single weight, as biases and scales are, count as one unit."""
    return (-2, -1) if math.prod(shape[-2:]) > 1 else (-3,)


@dataclass(frozen=True, repr=False)
class AdaptiveClip(Gradient):
    """Shortens each unit's gradient to the share ``limit`` of the length of that unit's weights, where it is longer.

    Formula:
        gᵢ ← gᵢ / max(1, ‖gᵢ‖ / (limit · max(‖wᵢ‖, eps))),   i: the weights into one unit, of a convolution one
        filter; the biases or scales of a layer together

    Helps when:
        The network has no norms and the batch or the learning rate is large: no unit can change by more than the share
        lr · limit in a step of SGD, whatever the layer. So the paper trains deep networks without any batch norm.

    Hurts when:
        It reaches the output layer (the paper leaves that out: ``on="linear*"`` does in an ``mlp``), or weights that
        start at zero, which may only move by ``lr · limit · eps`` at first. The default is for large batches; smaller
        ones allow larger limits.

    Conversion:
        timm's adaptive_clip_grad(clip_factor, eps) = limit, eps, but units that have a single weight, as those behind
        one input, are clipped there each by itself. Composer's adaptive clipping has eps = 0, so a unit whose weights
        are zero stays there.

    Conflicts:
        ClipNorm, ClipValue: doubtful. Both bound the same gradients by another measure; keep one of them.
        L1, L2, ElasticNet, GroupLasso: doubtful. Clipping shortens their part too; take WeightDecay or SoftThreshold.
        Orthogonality, L2ToInit, SpectralPenalty: doubtful. Clipping shortens the penalty's gradient with the data's.

    Example:
        >>> import torch
        >>> g, w = torch.tensor([[[3.0], [4.0]], [[0.01], [0.0]]]), torch.ones(2, 2, 1)
        >>> AdaptiveClip.torch(g, w, limit=0.5, eps=0.001).squeeze(2)  # a unit may hear 0.5 * sqrt(2)
        tensor([[0.4243, 0.5657],
                [0.0100, 0.0000]])

    Paper:
        Brock et al., High-Performance Large-Scale Image Recognition Without Normalization, 2021,
        https://arxiv.org/abs/2102.06171, section 4.1, equation 3.
    """

    limit: Strength = knob(
        0.01,
        "longest gradient, as a share of the weights' length",
        off=float("inf"),
        open_low=True,
        log=True,
        known_as=("clip_factor", "clipping"),
    )
    eps: Strength = knob(
        0.001, "least length that weights count for", open_low=True, high=1.0, log=True, known_as=("epsilon",)
    )

    known_as = ("AGC", "AdaptiveGradientClipping")
    extra_inputs = ("weight",)
    matrix: ClassVar[bool] = True
    vanilla = staticmethod(adaptive_clip_vanilla)
    torch = staticmethod(adaptive_clip)
