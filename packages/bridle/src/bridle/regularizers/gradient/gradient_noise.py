"""Gradient noise: a step may stray, far at first and less and less, and so leave where the slope alone would stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Draw, Gradient
from bridle.schedules import Strength


def gradient_noise_vanilla(g: np.ndarray, noise: np.ndarray, *, spread: float, decay: float, step: int) -> np.ndarray:
    """A gradient and normal noise of its shape, any -> the same shape."""
    deviation = spread / (1 + step) ** (decay / 2)
    noisy: np.ndarray = g + deviation * noise
    return noisy


def gradient_noise(
    g: Tensor, noise: Tensor, *, spread: float | Tensor, decay: float | Tensor, step: int, out: Tensor | None = None
) -> Tensor:
    """A gradient and normal noise that broadcasts against it -> the shape of the gradient."""
    one = g.new_tensor(1.0, dtype=torch.promote_types(g.dtype, torch.float32))
    deviation = one * spread * (1.0 + step) ** (-decay / 2)
    return torch.addcmul(g, noise.to(g.dtype), deviation.to(g.dtype), out=out)


@dataclass(frozen=True, repr=False)
class GradientNoise(Gradient):
    """Adds normal noise to every number of the gradient, whose deviation falls from ``spread`` with the steps.

    Formula:
        g ← g + σ · N(0, 1),   σ² = spread² / (1 + step)^decay

    Helps when:
        Training gets stuck early: a deep or unusual network, a poor initialization, even weights that are all zero.
        With batches so large that their own noise is small.

    Hurts when:
        The batches are noisy enough. The spread is an absolute number: where gradients are small against it, steps are
        mostly noise, and Adam, which divides by their size, makes them no smaller.

    Conversion:
        The paper's η = spread², its γ = decay; it tries η = 0.01, 0.3 and 1.

    Example:
        >>> import torch
        >>> g, noise = torch.zeros(2), torch.tensor([1.0, -2.0])
        >>> [GradientNoise.torch(g, noise, spread=0.5, decay=1.0, step=step) for step in (0, 3)]
        [tensor([ 0.5000, -1.0000]), tensor([ 0.2500, -0.5000])]

    Paper:
        Neelakantan et al., Adding Gradient Noise Improves Learning for Very Deep Networks, 2015,
        https://arxiv.org/abs/1511.06807, section 2.
    """

    spread: Strength = knob(
        0.1,
        "deviation of the noise at the first step",
        off=0.0,
        open_high=True,
        log=True,
        known_as=("stddev", "std"),
        differs=("eta",),
    )
    decay: Strength = knob(
        0.55, "power of the steps by which the noise's variance falls", open_high=True, known_as=("gamma",)
    )

    noise: ClassVar[tuple[Draw, ...]] = (Draw("normal"),)
    step_inputs = ("step",)
    vanilla = staticmethod(gradient_noise_vanilla)
    torch = staticmethod(gradient_noise)
