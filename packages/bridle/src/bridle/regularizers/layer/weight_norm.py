"""Weight normalization: how far a weight points and in which direction are learned apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from bridle.knobs import knob
from bridle.places import WeightLayer
from bridle.schedules import Strength


def weight_norm_vanilla(
    w: np.ndarray, gain: np.ndarray, *, eps: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]]:
    """(outputs, inputs, positions) and (outputs, 1, 1) -> the weight as it acts, and the gradient function."""
    length = np.sqrt((w**2).sum((1, 2), keepdims=True) + eps)
    direction = w / length

    def backward(g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        g_gain = (g * direction).sum((1, 2), keepdims=True)
        g_w = gain / length * (g - g_gain * direction)  # across the direction: along it, w makes no difference
        return g_w, g_gain

    return gain * direction, backward


def weight_norm(w: Tensor, gain: Tensor, *, eps: float | Tensor) -> Tensor:
    """(..., outputs, inputs, positions) and (..., outputs, 1, 1) -> the weight as it acts."""
    wide = w.to(torch.promote_types(w.dtype, torch.float32))  # bfloat16 has no digits for a length
    acting, _ = Lengthened.apply(wide, gain, eps)  # type: ignore[no-untyped-call]  # torch's own
    out: Tensor = acting.to(w.dtype)
    return out


class Lengthened(Function):
    """The weight at the length of its gain, and the length it had; fewer passes back than autograd takes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(w: Tensor, gain: Tensor, eps: float | Tensor) -> tuple[Tensor, Tensor]:
        """Measure in one pass, stretch in another."""
        length = (w.square().sum((-2, -1), keepdim=True) + eps).sqrt()
        return w * (gain / length), length

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep the length for the way back."""
        ctx.save_for_backward(*inputs[:2], output[1])

    @staticmethod
    def backward(ctx: Any, g: Tensor, g_length: Tensor) -> tuple[Tensor | None, ...]:
        """Equation 3 of the paper; ``g_length`` is not 0 where this gradient is itself differentiated."""
        w, gain, length = ctx.saved_tensors
        g_gain = (g * w).sum((-2, -1), keepdim=True) / length
        scale = gain / length
        return torch.addcmul(g * scale, w, (g_length - g_gain * scale) / length), g_gain, None


def length_of(w: Any) -> Any:
    """(outputs, inputs, positions) -> (outputs, 1, 1): where the gain starts, so that training starts as it would."""
    return (w**2).sum((-2, -1))[..., None, None] ** 0.5


@dataclass(frozen=True, repr=False)
class WeightNorm(WeightLayer):
    """Gives the weights of each output a learned length, ``gain``, so that the stored weight only says a direction.

    Formula:
        the layer uses   gain · w / ‖w‖,   ‖w‖ = √(Σ w² + eps) over the inputs (and positions) of one output;
        gain starts as the length of the initial weights

    Helps when:
        A batch norm would, but examples must not mix: recurrent networks, reinforcement learning, generative models.
        It conditions the loss better, and is cheap.

    Hurts when:
        It is to replace a batch norm in deep networks as it stands: it does not set the scale of activations, and the
        paper needs a first batch to initialize (section 3), which is left out here. Penalties on the stored weight no
        longer limit the function, only the learning rate of the direction.

    Conversion:
        torch's parametrizations.weight_norm: gain is original0, the stored weight is original1; it adds no eps.

    Conflicts:
        BatchNorm, GhostBatchNorm: doubtful. The norm behind the layer divides the gain out again; keep one of them.
        WeightStandardization: doubtful. It sets the length that is learned here; keep one of them.
        SpectralNorm: doubtful. Of the lengths only their proportions are left; keep one of them.

    Example:
        >>> import torch
        >>> w, gain = torch.tensor([[[3.0], [4.0]]]), torch.tensor([[[10.0]]])
        >>> WeightNorm.torch(w, gain, eps=1e-12).flatten()
        tensor([6., 8.])
        >>> WeightNorm().parametrize(torch.nn.Linear(4, 8)).weight.shape  # of a layer in any network
        torch.Size([8, 4])

    Paper:
        Salimans and Kingma, Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural
        Networks, 2016, https://arxiv.org/abs/1602.07868, equations 2 and 3.
    """

    eps: Strength = knob(
        1e-12, "added to the squared length before the root", open_low=True, high=1.0, log=True, known_as=("epsilon",)
    )

    known_as = ("WeightNormalization",)
    parameters: ClassVar[dict[str, Any]] = {"gain": length_of}
    vanilla = staticmethod(weight_norm_vanilla)
    torch = staticmethod(weight_norm)

    @staticmethod
    def evaluate(w: Any, gain: Any, *, eps: Any) -> Any:
        """(..., outputs, inputs, positions) -> the weight as it acts, as in training."""
        return w * (gain / ((w**2).sum((-2, -1))[..., None, None] + eps) ** 0.5)
