"""Generalization loss: stop when validation is clearly worse than it has been."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Array, Stop
from bridle.schedules import Strength


class Lowest(NamedTuple, Generic[Array]):
    """The lowest validation loss so far."""

    best: Array


def generalization_loss_vanilla(
    score: np.ndarray, state: Lowest[np.ndarray], *, limit: float
) -> tuple[np.ndarray, np.ndarray, Lowest[np.ndarray]]:
    """The validation loss of an epoch and the lowest so far -> improved, stop (0 or 1), and the new lowest."""
    improved = score < state.best  # which a loss that is not a number never is
    best = np.where(improved, score, state.best)
    stop = score > best * (1 + limit / 100)  # 100 · (score / best - 1) > limit, without dividing by a best of 0
    one = np.ones_like(score)
    return improved * one, stop * one, Lowest(best)


def generalization_loss(
    score: Tensor, state: Lowest[Tensor], *, limit: float | Tensor
) -> tuple[Tensor, Tensor, Lowest[Tensor]]:
    """The validation loss of an epoch and the lowest so far -> improved, stop (0 or 1), and the new lowest."""
    improved = score < state.best
    best = torch.where(improved, score, state.best)
    stop = score > best * (1 + limit / 100)
    return improved.to(score.dtype), stop.to(score.dtype), Lowest(best)


@dataclass(frozen=True, repr=False)
class GeneralizationLoss(Stop):
    """Stops when the validation loss is ``limit`` percent above its lowest, and keeps the weights of the best epoch.

    Formula:
        best ← min(best, loss);   stop = 100 · (loss / best - 1) > limit

    Helps when:
        Overfitting shows as a validation loss that rises for good. It needs no number of epochs to wait, so a slow
        training is not cut off on a plateau.

    Hurts when:
        The validation loss jumps (few rows, a high learning rate), as a single epoch above the limit ends the training;
        or comes close to 0, where every change is many percent. On a plateau it never stops.

    Example:
        >>> import torch
        >>> lowest = Lowest(torch.tensor(float("inf")))
        >>> for loss in (1.0, 0.5, 0.52, 0.53):
        ...     improved, stop, lowest = GeneralizationLoss.torch(torch.tensor(loss), lowest, limit=5.0)
        ...     print(int(improved), int(stop))
        1 0
        1 0
        0 0
        0 1

    Paper:
        Prechelt, Early Stopping - But When?, 1998, https://doi.org/10.1007/3-540-49430-8_3, the criterion GL with
        alpha = limit.
    """

    limit: Strength = knob(
        5.0, "percent above the lowest validation loss at which training stops", open_high=True, known_as=("alpha",)
    )

    state = Lowest(best=float("inf"))
    vanilla = staticmethod(generalization_loss_vanilla)
    torch = staticmethod(generalization_loss)
