"""Early stopping: stop when the validation rows say that nothing more is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Stop
from bridle.schedules import Strength


def early_stopping_vanilla(
    score: np.ndarray, best: np.ndarray, waited: np.ndarray, *, patience: float, min_delta: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The score of an epoch, the best so far, the epochs since -> improved, stop (0 or 1), and the latter two, new."""
    improved = score + min_delta < best  # which a score that is not a number never is
    best = np.where(improved, score, best)
    waited = np.where(improved, 0, waited + 1)
    stop = waited >= patience
    one = np.ones_like(score)
    return improved * one, stop * one, best, waited


def early_stopping(
    score: Tensor, best: Tensor, waited: Tensor, *, patience: float | Tensor, min_delta: float | Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The score of an epoch, the best so far, the epochs since -> improved, stop (0 or 1), and the latter two, new."""
    improved = score + min_delta < best
    best = torch.where(improved, score, best)
    waited = torch.where(improved, 0, waited + 1)
    stop = waited >= patience
    return improved.to(score.dtype), stop.to(score.dtype), best, waited


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
        >>> best, waited = torch.tensor(float("inf")), torch.tensor(0.0)
        >>> for score in (0.9, 0.5, 0.6, 0.7):
        ...     score = torch.tensor(score)
        ...     improved, stop, best, waited = EarlyStopping.torch(score, best, waited, patience=2.0, min_delta=0.0)
        >>> stop, best, waited
        (tensor(1.), tensor(0.5000), tensor(2.))

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
    state: ClassVar[dict[str, Any]] = {"best": float("inf"), "waited": 0.0}
    vanilla = staticmethod(early_stopping_vanilla)
    torch = staticmethod(early_stopping)
