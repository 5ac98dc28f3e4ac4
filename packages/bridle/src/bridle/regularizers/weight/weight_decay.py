"""Weight decay: every weight forgets a fixed share of itself at every step, whatever its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Weight, in_choices
from bridle.schedules import Strength

PER = ("lr", "schedule")


def weight_decay_vanilla(
    w: np.ndarray, *, strength: float, lr: float, peak: float = 1.0, per: str = "lr"
) -> np.ndarray:
    """Any shape -> the same shape."""
    lost = unit_of_decay(per, lr, peak) * strength * w
    return w - lost


def weight_decay(
    w: Tensor, *, strength: float | Tensor, lr: float, peak: float = 1.0, per: str = "lr", out: Tensor | None = None
) -> Tensor:
    """Any shape -> the same shape."""
    strength = strength if isinstance(strength, Tensor) else w.new_tensor(strength)
    kept = 1 - unit_of_decay(per, lr, peak) * strength
    return torch.mul(w, kept.to(w.dtype), out=out)


def unit_of_decay(per: str, lr: float, peak: float) -> float:
    """Return the factor of the strength at this step: the learning rate, or its share of the highest one."""
    return lr if in_choices("per", per, PER) == "lr" else lr / peak


@dataclass(frozen=True, repr=False)
class WeightDecay(Weight):
    """Shrinks every weight by the factor ``1 - η · strength`` before the optimizer's update (decoupled decay).

    Formula:
        w ← w · (1 - η · strength),   then   w ← w - lr · update(gradient of the data loss);
        η = lr with per="lr", and lr / (highest lr of the schedule) with per="schedule"

    Helps when:
        Adam or another adaptive optimizer trains the network: the decay is the same share for every weight, however
        large its gradients are. The usual choice for modern networks. With per="schedule", a search for the learning
        rate leaves the decay as it is.

    Hurts when:
        η · strength is below the resolution of the weights (nothing happens) or the schedule is long (everything
        decays). Together with L2 it acts twice. With plain SGD it is L2 under another name. With per="schedule", a
        strength of 0.01 takes a hundredth of every weight at every step: that is much.

    Conversion:
        per="lr": torch's AdamW(weight_decay), Keras's weight_decay in any optimizer, optax's adamw and fastai's wd =
        strength; with plain SGD, L2(strength / 2) walks the same path. per="schedule": Composer's
        DecoupledAdamW(weight_decay) and DecoupledSGDW = strength, the paper's λ. From one to the other:
        strength per lr = (strength per schedule) / (highest lr).

    Example:
        >>> import torch
        >>> w = torch.tensor([3.0, 4.0])
        >>> WeightDecay(strength=0.5)(w, lr=0.1)
        tensor([2.8500, 3.8000])
        >>> WeightDecay(strength=0.05, per="schedule")(w, lr=0.1, peak=0.1)
        tensor([2.8500, 3.8000])

    Paper:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, https://arxiv.org/abs/1711.05101,
        algorithm 2, line 12 (per="schedule"; torch's form, per="lr", has the learning rate in it).
    """

    strength: Strength = knob(
        0.01,
        "share of a weight lost per unit (see per)",
        off=0.0,
        open_high=True,
        log=True,
        known_as=("weight_decay", "wd", "decay"),
    )
    per: str = knob(
        "lr", "what a unit is: the learning rate, or its share of the schedule's highest", choices=PER, in_formula=True
    )

    known_as = ("AdamW", "SGDW", "DecoupledWeightDecay")
    step_inputs = ("lr", "peak")
    vanilla = staticmethod(weight_decay_vanilla)
    torch = staticmethod(weight_decay)
