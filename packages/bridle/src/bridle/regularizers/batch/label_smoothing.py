"""Label smoothing: no label is quite certain, so no logit need run away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Batch
from bridle.schedules import Strength


def label_smoothing_vanilla(x: np.ndarray, y: np.ndarray, *, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """(batch, features), (batch, classes) -> the same rows, the smoothed targets."""
    uniform = 1 / y.shape[1]
    return x, (1 - strength) * y + strength * uniform


def label_smoothing(x: Tensor, y: Tensor, *, strength: float | Tensor) -> tuple[Tensor, Tensor]:
    """(..., batch, features), (..., batch, classes) -> the same rows, the smoothed targets."""
    certain = y.to(torch.promote_types(y.dtype, torch.float32))  # in bfloat16, 1 - 0.001 is 1
    return x, ((1 - strength) * certain + strength / y.shape[-1]).to(y.dtype)


@dataclass(frozen=True, repr=False)
class LabelSmoothing(Batch):
    """Moves a little of each label's probability to all classes, so that the best logits are finite.

    Formula:
        y ← (1 - strength) · y + strength / K,   for K classes

    Helps when:
        A classifier is too sure of itself, labels are partly wrong, or it trains to no error on its training rows.

    Hurts when:
        The probabilities themselves are used: they lean towards uniform. The network is to teach another by its
        outputs: smoothing wipes out what they say of the wrong classes.

    Conversion:
        torch's CrossEntropyLoss(label_smoothing), Keras's CategoricalCrossentropy(label_smoothing), timm's
        LabelSmoothingCrossEntropy(smoothing) and Composer's LabelSmoothing(smoothing) = strength. Where the loss
        smooths already, leave this out: twice is more than asked for.

    Conflicts:
        ConfidencePenalty: doubtful. Both make confidence cost, so their strengths add up. Take one of them.
        HardBootstrap: doubtful. One takes from the likeliest class what the other gives it. Take one of them.

    Example:
        >>> import torch
        >>> LabelSmoothing.torch(torch.zeros(1, 3), torch.tensor([[0.0, 1.0]]), strength=0.1)[1]
        tensor([[0.0500, 0.9500]])

    Paper:
        Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016,
        https://arxiv.org/abs/1512.00567, section 7.
    """

    strength: Strength = knob(
        0.1,
        "probability that is spread over all classes",
        off=0.0,
        high=1.0,
        open_high=True,
        known_as=("label_smoothing", "smoothing", "epsilon", "eps", "alpha"),
    )

    known_as = ("LabelSmoothingCrossEntropy",)
    classes_only: ClassVar[bool] = True
    vanilla = staticmethod(label_smoothing_vanilla)
    torch = staticmethod(label_smoothing)
