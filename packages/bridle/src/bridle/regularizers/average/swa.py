"""Stochastic weight averaging: the middle of the valley that the last part of training wanders through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Average
from bridle.schedules import Strength


def swa_vanilla(
    a: np.ndarray, w: np.ndarray, *, start: float, every: float, step: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Any shape, twice -> the new average, and the weights as they are."""
    past = max(step + 1 - round(start * steps), 0)  # steps since the averaging began; until then a is w
    interval = max(round(every * steps), 1)
    models = past // interval  # in the average so far
    share = (past % interval == 0) / (models + 1)  # of the weights of this step: none between two models
    return (1 - share) * a + share * w, w


def swa(
    a: Tensor, w: Tensor, *, start: float | Tensor, every: float | Tensor, step: int, steps: int
) -> tuple[Tensor, Tensor]:
    """Any shape, twice -> the new average, and the weights as they are."""
    one = w.new_tensor(1.0, dtype=torch.promote_types(w.dtype, torch.float32))  # bfloat16 counts to 256 only
    past = (step + 1 - torch.round(one * start * steps)).clamp(min=0)
    interval = torch.round(one * every * steps).clamp(min=1)
    models = past // interval
    share = (past % interval == 0) / (models + 1)
    return torch.lerp(a, w, share.to(w.dtype)), w


@dataclass(frozen=True, repr=False)
class SWA(Average):
    """Evaluates the plain mean of weights taken at equal distances over the last part of the training.

    Formula:
        a ← w   until round(start · steps) steps are done,   then   a ← (n · a + w) / (n + 1)   after every
        max(1, round(every · steps)) further steps, n weights being in a;   running statistics are measured anew

    Helps when:
        The learning rate is still high at the end (constant, or cyclical): the weights then circle around a flat
        region, and its middle generalizes better than its rim.

    Hurts when:
        The learning rate has fallen to almost 0 by then, so that all averaged weights are alike; or training is still
        making progress, so that the mean lags behind. With start = 0 it averages from the initial weights on.

    Conversion:
        Lightning's StochasticWeightAveraging(swa_epoch_start=s) is start = s, every = 1 / epochs; torch's
        AveragedModel has its update_parameters called at the steps of the formula.

    Conflicts:
        Lookahead, SnapshotEnsemble: refused. Only one of them can be the trained network; keep one.
        EarlyStopping, GeneralizationLoss: doubtful. Training may stop before the averaging has started.

    Example:
        >>> import torch
        >>> a = torch.tensor([0.0])
        >>> for step in range(5):  # the weights after these steps are 1, 2, 3, 4, 5
        ...     a, _ = SWA.torch(a, torch.tensor([step + 1.0]), start=0.6, every=0.2, step=step, steps=5)
        >>> a  # the mean of 3, 4 and 5
        tensor([4.])

    Paper:
        Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, 2018,
        https://arxiv.org/abs/1803.05407, algorithm 1.
    """

    start: Strength = knob(
        0.75, "share of the training after which averaging starts", off=1.0, high=1.0, known_as=("swa_epoch_start",)
    )
    every: Strength = knob(0.01, "share of the training between two averaged weights; 0: every step", high=1.0)

    known_as = ("StochasticWeightAveraging", "AveragedModel")
    reestimates: ClassVar[bool] = True
    vanilla = staticmethod(swa_vanilla)
    torch = staticmethod(swa)
