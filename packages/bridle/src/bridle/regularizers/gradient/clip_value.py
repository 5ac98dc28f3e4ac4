"""Clipping by value: no weight hears more than so much from one batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Gradient
from bridle.schedules import Strength


def clip_value_vanilla(g: np.ndarray, *, limit: float) -> np.ndarray:
    """Any shape -> the same shape."""
    return np.asarray(np.clip(g, -limit, limit))


def clip_value(g: Tensor, *, limit: float | Tensor, out: Tensor | None = None) -> Tensor:
    """Any shape -> the same shape."""
    bound = (g.new_tensor(1.0) * limit).to(g.dtype)
    return torch.clamp(g, -bound, bound, out=out)


@dataclass(frozen=True, repr=False)
class ClipValue(Gradient):
    """Cuts every number of the gradient to the range from ``-limit`` to ``limit``.

    Formula:
        g ← min(max(g, -limit), limit),   each number by itself

    Helps when:
        Single numbers of the gradient explode, as in recurrent networks: the others keep their size, which clipping by
        norm would take from them.

    Hurts when:
        Many numbers reach the limit: the step then no longer points downhill most steeply, but along the signs of the
        gradient. A limit that fits one layer may be far too large or too small for another.

    Conversion:
        torch's clip_grad_value_(clip_value) and Keras's clipvalue = limit.

    Conflicts:
        ClipNorm: doubtful. One keeps the gradient's direction, the other changes it; keep one of them.
        L1, L2, ElasticNet, GroupLasso: doubtful. Clipping cuts their part too; take WeightDecay or SoftThreshold.
        Orthogonality, L2ToInit, SpectralPenalty: doubtful. Clipping cuts the penalty's gradient with the data's.

    Example:
        >>> import torch
        >>> ClipValue.torch(torch.tensor([0.3, -4.0]), limit=1.0)
        tensor([ 0.3000, -1.0000])

    Paper:
        Goodfellow, Bengio and Courville, Deep Learning, 2016, https://www.deeplearningbook.org/contents/rnn.html,
        section 10.11.1; after Mikolov, Statistical Language Models Based on Neural Networks, 2012.
    """

    limit: Strength = knob(
        1.0,
        "largest size of a number of the gradient",
        off=float("inf"),
        open_low=True,
        log=True,
        known_as=("clip_value", "clipvalue", "max_delta", "gradient_clip_val"),
    )

    known_as = ("GradientClipping", "clip_grad_value_")
    vanilla = staticmethod(clip_value_vanilla)
    torch = staticmethod(clip_value)
