"""Early stopping: stop when the validation rows say that nothing more is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Array, Stop
from bridle.schedules import Strength


class Wait(NamedTuple, Generic[Array]):
    """The best score so far and the epochs since."""

    best: Array  # the best score so far
    waited: Array  # epochs since then


def early_stopping_vanilla(
    score: np.ndarray, state: Wait[np.ndarray], *, patience: float, min_delta: float
) -> tuple[np.ndarray, np.ndarray, Wait[np.ndarray]]:
    """The score of an epoch and the wait so far -> improved, stop (0 or 1), and the new wait."""
    improved = score + min_delta < state.best  # which a score that is not a number never is
    best = np.where(improved, score, state.best)
    waited = np.where(improved, 0, state.waited + 1)
    stop = waited >= patience
    one = np.ones_like(score)
    return improved * one, stop * one, Wait(best, waited)


def early_stopping(
    score: Tensor, state: Wait[Tensor], *, patience: float | Tensor, min_delta: float | Tensor
) -> tuple[Tensor, Tensor, Wait[Tensor]]:
    """The score of an epoch and the wait so far -> improved, stop (0 or 1), and the new wait."""
    improved = score + min_delta < state.best
    best = torch.where(improved, score, state.best)
    waited = torch.where(improved, 0, state.waited + 1)
    stop = waited >= patience
    return improved.to(score.dtype), stop.to(score.dtype), Wait(best, waited)


@dataclass(frozen=True, repr=False)
class EarlyStopping(Stop):
    """Stops after some epochs without a better validation score, and keeps the weights of the best epoch.

    Formula:
        improved = score + min_delta < best;   waited ← 0 if improved, else waited + 1;   stop = waited ≥ patience

    Helps when:
        The network begins to overfit before training is over: the number of epochs then acts like the strength of an L2
        penalty, found within a single training. patience = inf trains to the end and only keeps the best weights.

    Hurts when:
        There are few validation rows (the best epoch is luck, and its score too good: judge by other rows), or the
        learning rate follows a schedule down to 0, whose last epochs are the best ones: stopping cuts them off.

    Conversion:
        Keras's and Lightning's EarlyStopping(patience, min_delta) = patience, min_delta, with the best weights
        restored; scikit-learn's n_iter_no_change = patience - 1. monitor="val_loss" is
        watch="loss"; the monitor of an accuracy is watch="metric".

    Conflicts:
        GeneralizationLoss: doubtful. Whichever is first ends the training; one of the two is enough.

    Example:
        >>> import torch
        >>> wait = Wait(best=torch.tensor(float("inf")), waited=torch.tensor(0.0))
        >>> for score in (0.9, 0.5, 0.6, 0.7):
        ...     score = torch.tensor(score)
        ...     improved, stop, wait = EarlyStopping.torch(score, wait, patience=2.0, min_delta=0.0)
        >>> stop, wait
        (tensor(1.), Wait(best=tensor(0.5000), waited=tensor(2.)))

    Paper:
        Prechelt, Early Stopping - But When?, 1998, https://doi.org/10.1007/3-540-49430-8_3; with patience: Goodfellow,
        Bengio and Courville, Deep Learning, 2016, https://www.deeplearningbook.org/contents/regularization.html,
        algorithm 7.1.
    """

    patience: Strength = knob(
        10.0,
        "epochs without improvement after which training stops; inf: never",
        low=1.0,
        differs=("n_iter_no_change",),
    )
    min_delta: Strength = knob(
        0.0, "by how much a score must be better to count as improved", open_high=True, known_as=("tol",)
    )
    watch: str = knob("loss", "which score of the validation rows", choices=("loss", "metric"), differs=("monitor",))

    known_as = ("EarlyStop",)
    state = Wait(best=float("inf"), waited=0.0)
    vanilla = staticmethod(early_stopping_vanilla)
    torch = staticmethod(early_stopping)

    @property
    def watches_metric(self) -> bool:
        """Return True for ``watch="metric"``."""
        return self.watch == "metric"
