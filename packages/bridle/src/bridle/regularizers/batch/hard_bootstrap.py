"""Hard bootstrapping: where a label contradicts what the network has learned, the label may be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Batch
from bridle.schedules import Strength


def hard_bootstrap_vanilla(
    x: np.ndarray, y: np.ndarray, prediction: np.ndarray, *, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """(batch, features), (batch, classes), probabilities like ``y`` -> the same rows, new targets."""
    likeliest = np.eye(y.shape[1], dtype=y.dtype)[prediction.argmax(1)]
    return x, (1 - strength) * y + strength * likeliest


def hard_bootstrap(x: Tensor, y: Tensor, prediction: Tensor, *, strength: float | Tensor) -> tuple[Tensor, Tensor]:
    """(..., batch, features), (..., batch, classes), probabilities like ``y`` -> the same rows, new targets."""
    wide = torch.promote_types(y.dtype, torch.float32)
    classes = torch.arange(y.shape[-1], device=y.device)
    likeliest = (prediction.argmax(-1, keepdim=True) == classes).to(wide)
    return x, ((1 - strength) * y.to(wide) + strength * likeliest).to(y.dtype)


@dataclass(frozen=True, repr=False)
class HardBootstrap(Batch):
    """Blends each label with the class that the network itself finds likeliest, so wrong labels pull less.

    Formula:
        y ← (1 - strength) · y + strength · onehot(argmax p),   p = the network's own probabilities, held constant.
        The paper's soft form has p itself in place of the class. Held constant, it would only scale the loss: the
        gradient of the cross-entropy with respect to the logits, p - y, becomes (1 - strength) · (p - y) at every row.

    Helps when:
        A fair part of the labels is wrong, and the network has learned enough from the rest to tell.

    Hurts when:
        Labels are right: hard rows, which count most, are pulled towards what the network gets wrong. Training has only
        begun and the network knows nothing yet.

    Conversion:
        The paper's beta = 1 - strength.

    Example:
        >>> import torch
        >>> x, y, prediction = torch.zeros(1, 3), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.3, 0.7]])
        >>> HardBootstrap.torch(x, y, prediction, strength=0.2)[1]
        tensor([[0.8000, 0.2000]])

    Paper:
        Reed et al., Training Deep Neural Networks on Noisy Labels with Bootstrapping, 2014,
        https://arxiv.org/abs/1412.6596, "hard bootstrapping".
    """

    strength: Strength = knob(
        0.2,
        "probability that the network's own answer is given",
        off=0.0,
        high=1.0,
        open_high=True,
        differs=("beta",),
    )

    known_as = ("Bootstrapping",)
    extra_inputs = ("prediction",)
    classes_only: ClassVar[bool] = True
    vanilla = staticmethod(hard_bootstrap_vanilla)
    torch = staticmethod(hard_bootstrap)
