"""Clipping by norm: however steep the loss, there is a longest gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Gradient
from bridle.schedules import Strength


def clip_norm_vanilla(g: np.ndarray, norm: float, *, limit: float) -> np.ndarray:
    """A gradient of any shape and the length of all gradients together -> the same shape."""
    return g / max(norm / limit, 1.0)


def clip_norm(g: Tensor, norm: float | Tensor, *, limit: float | Tensor, out: Tensor | None = None) -> Tensor:
    """A gradient of any shape and the length of all gradients together -> the same shape."""
    one = g.new_tensor(1.0, dtype=torch.promote_types(g.dtype, torch.float32))
    excess = (one * norm / limit).clamp(min=1)
    return torch.div(g, excess.to(g.dtype), out=out)


@dataclass(frozen=True, repr=False)
class ClipNorm(Gradient):
    """Shortens the gradient of all selected parameters together to the length ``limit`` where it is longer.

    Formula:
        g ← g / max(1, ‖g‖ / limit),   ‖g‖ over all selected parameters together

    Helps when:
        A few batches have gradients many times longer than the others: recurrent networks, outliers, the first steps.
        Their direction is kept, and no single one of them can throw the weights far away.

    Hurts when:
        The limit is below the usual length: with SGD every step then has the same length, near the minimum as well.
        Under Adam a factor that all gradients share cancels: what remains is that long ones weigh less in its averages.

    Conversion:
        torch's clip_grad_norm_(max_norm) = limit; it divides by ‖g‖ + 1e-6, so that a clipped gradient is shorter by
        the share 1e-6 / ‖g‖. Keras's global_clipnorm = limit; its clipnorm is for each parameter by itself, here one
        ClipNorm for each, chosen with ``on``.

    Conflicts:
        L1, L2, ElasticNet, GroupLasso: doubtful. Clipping shortens their part too; take WeightDecay or SoftThreshold.
        Orthogonality, L2ToInit, SpectralPenalty: doubtful. Clipping shortens the penalty's gradient with the data's.

    Example:
        >>> import torch
        >>> g = torch.tensor([3.0, 4.0])
        >>> ClipNorm.torch(g, g.norm(), limit=1.0), ClipNorm.torch(g, g.norm(), limit=10.0)
        (tensor([0.6000, 0.8000]), tensor([3., 4.]))

    Paper:
        Pascanu, Mikolov and Bengio, On the Difficulty of Training Recurrent Neural Networks, 2013,
        https://arxiv.org/abs/1211.5063, algorithm 1.
    """

    limit: Strength = knob(
        1.0,
        "longest gradient of all parameters together",
        off=float("inf"),
        open_low=True,
        log=True,
        known_as=("max_norm", "max_grad_norm", "global_clipnorm", "clip_norm", "gradient_clip_val"),
        differs=("clipnorm",),
    )

    known_as = ("GradientClipping", "clip_grad_norm_")
    extra_inputs = ("norm",)
    vanilla = staticmethod(clip_norm_vanilla)
    torch = staticmethod(clip_norm)
