"""Exponential moving average: the weights of the last many steps together are steadier than those of the last one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Average
from bridle.schedules import Strength


def ema_vanilla(
    a: np.ndarray, w: np.ndarray, *, decay: float, warmup: float, step: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Any shape, twice -> the new average, and the weights as they are."""
    del steps  # it forgets at the same pace, however long the training
    share = max(1 - decay, warmup / (1 + step + warmup))  # of the newest weights
    return (1 - share) * a + share * w, w


def ema(
    a: Tensor, w: Tensor, *, decay: float | Tensor, warmup: float | Tensor, step: int, steps: int
) -> tuple[Tensor, Tensor]:
    """Any shape, twice -> the new average, and the weights as they are."""
    del steps
    one = w.new_tensor(1.0, dtype=torch.promote_types(w.dtype, torch.float32))  # in bfloat16, 1 - 0.999 is 0
    share = torch.maximum(one - decay, one * warmup / (1 + step + warmup))
    return torch.lerp(a, w, share.to(w.dtype)), w


@dataclass(frozen=True, repr=False)
class EMA(Average):
    """Evaluates an exponential moving average of the weights, which training itself does not see.

    Formula:
        a ← d · a + (1 - d) · w   after every step,   d = min(decay, (1 + step) / (1 + step + warmup))

    Helps when:
        The last weights still jump from step to step: the learning rate is constant or high, batches are small, labels
        are noisy. It then does what a decaying learning rate does, without slowing the training.

    Hurts when:
        1 / (1 - decay) is not small against the number of steps: the average lags behind, and with warmup = 0 it still
        holds initial weights. Where the learning rate ends at 0 there is little left to average.

    Conversion:
        TensorFlow's ExponentialMovingAverage(decay, num_updates) has warmup = 9, Mean Teacher's code warmup = 1, timm's
        ModelEmaV3(use_warmup=True, warmup_power=1.0) has warmup = warmup_gamma. Keras's ema_momentum and torch's
        get_ema_multi_avg_fn(decay) are decay with warmup = 0. These two, and timm's where it is told the step, begin
        with the weights after the first step.

    Conflicts:
        SWA, Lookahead, SnapshotEnsemble: refused. Only one of them can be the trained network; keep one.

    Example:
        >>> import torch
        >>> a, w = torch.tensor([0.0]), torch.tensor([1.0])
        >>> EMA.torch(a, w, decay=0.9, warmup=0.0, step=0, steps=100)
        (tensor([0.1000]), tensor([1.]))
        >>> EMA.torch(a, w, decay=0.9, warmup=9.0, step=0, steps=100)[0]  # a young average follows quickly
        tensor([0.9000])

    Paper:
        Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992,
        https://doi.org/10.1137/0330046; as a moving average of networks: Tarvainen and Valpola, Mean Teachers Are
        Better Role Models, 2017, https://arxiv.org/abs/1703.01780, equation 1.
    """

    decay: Strength = knob(
        0.999,
        "share of the average that stays at each step",
        off=0.0,
        high=1.0,
        open_high=True,
        known_as=("beta", "momentum", "ema_momentum", "ema_decay"),
    )
    warmup: Strength = knob(
        9.0, "how much faster a young average follows; 0: not at all", open_high=True, known_as=("warmup_gamma",)
    )

    known_as = ("ExponentialMovingAverage", "ModelEma", "ModelEmaV3")
    vanilla = staticmethod(ema_vanilla)
    torch = staticmethod(ema)
