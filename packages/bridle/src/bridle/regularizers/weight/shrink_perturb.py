"""Shrink and perturb: part of what was learned is kept, and part of a fresh start is put in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Draw, Weight
from bridle.schedules import Strength


def shrink_perturb_vanilla(
    w: np.ndarray,
    noise: np.ndarray,
    fan_in: float,
    *,
    shrink: float,
    spread: float,
    every: float,
    step: int,
    steps: int,
) -> np.ndarray:
    """A weight, normal noise of its shape, any, and the inputs of a unit -> the same shape."""
    interval = max(np.rint(every * steps), 1)
    due = step > 0 and step % interval == 0
    initial = 1 / math.sqrt(3 * fan_in)  # the deviation of weights that begin uniform in ±1/√fan_in
    return np.where(due, shrink * w + spread * initial * noise, w)


def shrink_perturb(
    w: Tensor,
    noise: Tensor,
    fan_in: float,
    *,
    shrink: float | Tensor,
    spread: float | Tensor,
    every: float | Tensor,
    step: int,
    steps: int,
    out: Tensor | None = None,
) -> Tensor:
    """A weight, normal noise that broadcasts against it, and the inputs of a unit -> the shape of the weight."""
    one = w.new_tensor(1.0, dtype=torch.promote_types(w.dtype, torch.float32))  # bfloat16 counts to 256 only
    interval = torch.round(one * every * steps).clamp(min=1)
    due = (step % interval == 0) & (step > 0)
    kept = torch.where(due, one * shrink, 1.0)
    added = torch.where(due, one * spread / math.sqrt(3 * fan_in), 0.0)
    return torch.addcmul(w * kept.to(w.dtype), noise.to(w.dtype), added.to(w.dtype), out=out)


@dataclass(frozen=True, repr=False)
class ShrinkPerturb(Weight):
    """Scales the weights down and adds fresh initial weights, a little of them, several times in the training.

    Formula:
        w ← shrink · w + spread · σ · N(0, 1)   before every max(1, round(every · steps))-th update, not before the
        first;   σ = 1 / √(3 fan_in): the deviation of weights that begin uniform in ±1/√fan_in

    Helps when:
        Training goes on with more or other data than it began with: a network that has already fitted some learns less
        from the rest than a fresh one would. It forgets most of its confidence and keeps most of its answers.

    Hurts when:
        All data are there from the start and the learning rate falls: after each shock it must learn again, in fewer
        steps and with smaller ones. On biases (they count as fan_in = 1) the noise is far too large.

    Conversion:
        The authors' code, shrink=0.4 and perturb=0.1 with a freshly initialized network as noise: shrink, spread. The
        paper's λ = shrink, its σ = spread / √(3 fan_in).

    Conflicts:
        BatchNorm, GhostBatchNorm: doubtful. Before it the size of weights does not act: only the noise perturbs.
        EMA, SWA: doubtful. Weights from before and after a shock are averaged, and lie in different valleys.

    Example:
        >>> import torch
        >>> w, noise = torch.tensor([2.0, -3.0]), torch.tensor([1.0, 0.0])
        >>> knobs = {"shrink": 0.4, "spread": 0.1, "every": 0.25, "steps": 100}
        >>> ShrinkPerturb.torch(w, noise, 3.0, **knobs, step=25), ShrinkPerturb.torch(w, noise, 3.0, **knobs, step=26)
        (tensor([ 0.8333, -1.2000]), tensor([ 2., -3.]))

    Paper:
        Ash and Adams, On Warm-Starting Neural Network Training, 2020, https://arxiv.org/abs/1910.08475, the section
        "Shrink, Perturb, Repeat".
    """

    shrink: Strength = knob(0.4, "share of a weight that is kept", high=1.0, known_as=("lambda",))
    spread: Strength = knob(
        0.1,
        "deviation of what is added, in that of initial weights",
        open_high=True,
        known_as=("perturb",),
        differs=("sigma",),
    )
    every: Strength = knob(
        0.25, "share of the training from one time to the next", off=float("inf"), open_low=True, log=True
    )

    known_as = ("ShrinkAndPerturb",)
    noise: ClassVar[tuple[Draw, ...]] = (Draw("normal"),)
    extra_inputs = ("fan_in",)
    step_inputs = ("step", "steps")
    vanilla = staticmethod(shrink_perturb_vanilla)
    torch = staticmethod(shrink_perturb)
