"""Weight decay: every weight forgets a fixed share of itself at every step, whatever its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Weight


def weight_decay_vanilla(w: np.ndarray, *, strength: float, lr: float) -> np.ndarray:
    """Any shape -> the same shape."""
    lost = lr * strength * w
    return w - lost


def weight_decay(w: Tensor, *, strength: float | Tensor, lr: float, out: Tensor | None = None) -> Tensor:
    """Any shape -> the same shape."""
    return torch.mul(w, 1 - lr * w.new_tensor(1.0) * strength, out=out)


@dataclass(frozen=True, repr=False)
class WeightDecay(Weight):
    """Shrinks every weight by the factor ``1 - lr · strength`` before the optimizer's update (decoupled decay).

    Formula:
        w ← w · (1 - lr · strength),   then   w ← w - lr · update(gradient of the data loss)

    Helps when:
        Adam or another adaptive optimizer trains the network: the decay is the same share for every weight, however
        large its gradients are. The usual choice for modern networks.

    Hurts when:
        lr · strength is below the resolution of the weights (nothing happens) or the schedule is long (everything
        decays). Together with L2 it acts twice. With plain SGD it is L2 under another name.

    Conversion:
        torch's AdamW(weight_decay) = strength; with SGD, L2(strength / 2) walks the same path; Composer's
        DecoupledAdamW = lr · strength.

    Example:
        >>> import torch
        >>> WeightDecay.torch(torch.tensor([3.0, 4.0]), strength=0.5, lr=0.1)
        tensor([2.8500, 3.8000])

    Paper:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, https://arxiv.org/abs/1711.05101,
        algorithm 2, line 12.
    """

    strength: float = knob(0.01, "share of a weight lost per unit of learning rate", off=0.0, open_high=True, log=True)

    vanilla = staticmethod(weight_decay_vanilla)
    torch = staticmethod(weight_decay)
