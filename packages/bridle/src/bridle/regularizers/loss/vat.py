"""VAT: predictions shall be steady even in the direction in which they are least steady."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Draw, PassLoss
from bridle.schedules import Strength


def vat_vanilla(
    z: np.ndarray, other: np.ndarray, *, strength: float, radius: float, xi: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Logits (batch, classes), twice -> the penalty, and its gradients in their shapes."""
    del radius, xi  # they say where ``other`` is taken
    rows, logs, other_logs = len(z), log_softmax_vanilla(z), log_softmax_vanilla(other)
    p, q = np.exp(logs), np.exp(other_logs)
    penalty = strength * (p * (logs - other_logs)).sum() / rows
    gradient = strength * (q - p) / rows
    return float(penalty), np.zeros_like(z), gradient  # what is predicted at x is a target: it holds still


def log_softmax_vanilla(z: np.ndarray) -> np.ndarray:
    """Logits (batch, classes) -> the logarithms of the probabilities."""
    z = z - z.max(1, keepdims=True)  # or the exponential overflows
    logs: np.ndarray = z - np.log(np.exp(z).sum(1, keepdims=True))
    return logs


def vat(z: Tensor, other: Tensor, *, strength: float | Tensor, radius: float | Tensor, xi: float | Tensor) -> Tensor:
    """Logits (..., batch, classes), twice -> the penalty, (...)."""
    del radius, xi
    logs, other_logs = log_probabilities(z.detach()), log_probabilities(other)
    divergence = logs.exp() * (logs - other_logs)
    return (divergence * (strength / z.shape[-2])).sum((-2, -1)).to(z.dtype)


def log_probabilities(z: Tensor) -> Tensor:
    """(..., batch, classes) -> (..., classes, batch): over the last of a few classes it is several times slower."""
    wide = z.float() if z.dtype.itemsize < 4 else z
    return wide.mT.log_softmax(-2)


def of_length_one(rows: Any) -> Any:
    """(..., batch, features) -> the same directions; a row of zeros stays."""
    size = abs(rows).sum(-1)[..., None]  # first, or the squares of tiny slopes vanish
    rows = rows / (size + (size == 0))
    length = (rows * rows).sum(-1)[..., None] ** 0.5
    return rows / (length + (length == 0))


@dataclass(frozen=True, repr=False)
class VAT(PassLoss):
    """Adds how far predictions change when each input moves by ``radius`` in the direction that changes them most.

    Formula:
        loss = data_loss + strength · mean over rows of KL(p(x) ‖ p(x + radius · s / ‖s‖)),   p(x) held constant,
        s = the slope of KL(p(x) ‖ p(x')) at x' = x + xi · n / ‖n‖,   n ~ N(0, 1):   one power iteration

    Helps when:
        Labels are few, or inputs may be tampered with: like adversarial training, but it needs no label.

    Hurts when:
        Time is short: three passes a step, one of them back to the inputs. ``radius`` reaches across the border between
        classes: predictions are smoothed away. Features are on different scales: one radius does not fit all. Outputs
        are computed in bfloat16: a probe of xi = 0.1 drowns in rounding.

    Conversion:
        The paper's coefficient α = strength, ε = radius, ξ = xi; its code takes 1e-6 for ξ, at which the slope in
        float32 is mostly rounding, so the default is larger.

    Example:
        >>> import torch
        >>> x, slope = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.3, 0.4], [0.0, 0.0]])
        >>> VAT(strength=0.5)(torch.zeros(1, 2), torch.tensor([[0.0, 2.0]]))  # 0.5 * KL((0.5, 0.5) ‖ (0.12, 0.88))
        tensor(0.2169)
        >>> VAT.move(x, slope, strength=1.0, radius=5.0, xi=0.1)  # where nothing slopes, nothing moves
        tensor([[4., 6.],
                [0., 0.]])

    Paper:
        Miyato et al., Virtual Adversarial Training: A Regularization Method for Supervised and Semi-Supervised
        Learning, 2018, https://arxiv.org/abs/1704.03976, algorithm 1.
    """

    strength: Strength = knob(1.0, "cost of one nat of change", off=0.0, open_high=True, log=True, known_as=("alpha",))
    radius: Strength = knob(
        1.0, "length of the move", open_low=True, open_high=True, log=True, known_as=("epsilon", "eps")
    )
    xi: Strength = knob(0.1, "length of the probing step", open_low=True, open_high=True, log=True)

    known_as = ("VirtualAdversarialTraining",)
    classes_only: ClassVar[bool] = True
    noise: ClassVar[tuple[Draw, ...]] = (Draw("normal"),)
    extra_inputs = ("slope",)
    vanilla = staticmethod(vat_vanilla)
    torch = staticmethod(vat)

    @staticmethod
    def probe(x: Any, noise: Any, *, strength: Any, radius: Any, xi: Any) -> Any:
        """Return each row a small step off, in a random direction."""
        del strength, radius
        return x + xi * of_length_one(noise)

    @staticmethod
    def move(x: Any, slope: Any, *, strength: Any, radius: Any, xi: Any) -> Any:
        """Return each row ``radius`` further, along its slope."""
        del strength, xi
        return x + radius * of_length_one(slope)
