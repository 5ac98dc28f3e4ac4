"""Lookahead: some steps forward, then part of the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Average
from bridle.schedules import Strength


def lookahead_vanilla(
    a: np.ndarray, w: np.ndarray, *, alpha: float, period: float, step: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Slow and fast weights, any shape -> the same, both at one place when a period is over."""
    del steps  # it goes on alike to the end
    over = (step + 1) % round(period) == 0
    met = (1 - alpha) * a + alpha * w
    return np.where(over, met, a), np.where(over, met, w)


def lookahead(
    a: Tensor, w: Tensor, *, alpha: float | Tensor, period: float | Tensor, step: int, steps: int
) -> tuple[Tensor, Tensor]:
    """Slow and fast weights, any shape -> the same, both at one place when a period is over."""
    del steps
    one = w.new_tensor(1.0, dtype=torch.promote_types(w.dtype, torch.float32))  # bfloat16 counts to 256 only
    over = (step + 1) % torch.round(one * period) == 0
    met = torch.lerp(a, w, (one * alpha).to(w.dtype))
    return torch.where(over, met, a), torch.where(over, met, w)


@dataclass(frozen=True, repr=False)
class Lookahead(Average):
    """Lets the optimizer run ahead for some steps, then goes only part of that way and starts again from there.

    Formula:
        after every ``period`` steps:   a ← a + alpha · (w - a),   w ← a;   w are the optimizer's (fast) weights,
        a the slow ones, which are evaluated, also between two meetings;   the optimizer's own averages stay

    Helps when:
        Steps are large or noisy: it lowers the variance of the optimizer and forgives a learning rate that is too high.

    Hurts when:
        Learning rate and schedule are well tuned: it then mostly slows the training. The steps after the last meeting
        are lost, so a long period costs something in a short training.

    Conversion:
        timm's Lookahead(alpha, k) = alpha, period; optax's lookahead(slow_step_size, sync_period) likewise. timm's slow
        weights begin only at the first meeting, and each sync_lookahead() is one more. timm leaves the fast weights in
        the model: at a meeting they are the slow ones. There alpha = 1 is the plain optimizer; here the weights of the
        last meeting are evaluated all the same, so no alpha switches it off.

    Conflicts:
        SnapshotEnsemble: refused. A copy of the slow weights is not where a cycle of the learning rate ends; keep one.

    Example:
        >>> import torch
        >>> a, w = torch.tensor([0.0]), torch.tensor([1.0])
        >>> Lookahead.torch(a, w, alpha=0.5, period=5.0, step=3, steps=100)
        (tensor([0.]), tensor([1.]))
        >>> Lookahead.torch(a, w, alpha=0.5, period=5.0, step=4, steps=100)
        (tensor([0.5000]), tensor([0.5000]))

    Paper:
        Zhang et al., Lookahead Optimizer: k steps forward, 1 step back, 2019, https://arxiv.org/abs/1907.08610,
        algorithm 1.
    """

    alpha: Strength = knob(
        0.5,
        "share of the way from the slow to the fast weights that is gone",
        open_low=True,
        high=1.0,
        known_as=("slow_step_size",),
    )
    period: Strength = knob(
        5.0, "steps from one meeting to the next, rounded", low=1.0, open_high=True, known_as=("k", "sync_period")
    )

    moves_weights: ClassVar[bool] = True
    vanilla = staticmethod(lookahead_vanilla)
    torch = staticmethod(lookahead)
