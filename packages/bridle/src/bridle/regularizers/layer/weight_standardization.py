"""Weight standardization: no output's weights may be large or one-sided, whatever the gradients have made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from bridle.knobs import knob
from bridle.places import WeightLayer
from bridle.schedules import Strength


def weight_standardization_vanilla(
    w: np.ndarray, *, eps: float
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray]]]:
    """(outputs, inputs, positions) -> the weight as it acts, and the gradient function."""
    mean = w.mean((1, 2), keepdims=True)
    var = ((w - mean) ** 2).mean((1, 2), keepdims=True)
    deviation = np.sqrt(var + eps)
    normal = (w - mean) / deviation

    def backward(g: np.ndarray) -> tuple[np.ndarray]:
        # Neither the mean nor the size of w makes a difference, so whatever of the gradient would change these is lost.
        along = normal * (g * normal).mean((1, 2), keepdims=True)
        return ((g - g.mean((1, 2), keepdims=True) - along) / deviation,)

    return normal, backward


def weight_standardization(w: Tensor, *, eps: float | Tensor) -> Tensor:
    """(..., outputs, inputs, positions) -> the weight as it acts."""
    wide = w.to(torch.promote_types(w.dtype, torch.float32))  # bfloat16 has no digits for a mean
    normal, _ = StandardizedWeight.apply(wide, eps)  # type: ignore[no-untyped-call]  # torch's own
    out: Tensor = normal.to(w.dtype)
    return out


class StandardizedWeight(Function):
    """The standardized weight and its inverse deviation; the gradient in fewer passes than autograd takes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(w: Tensor, eps: float | Tensor) -> tuple[Tensor, Tensor]:
        """Passes over a first layer's weights are what this costs."""
        centered = w - w.mean((-2, -1), keepdim=True)
        inverse = (centered.square().mean((-2, -1), keepdim=True) + eps).rsqrt()
        return centered * inverse, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep the results, which are all that the way back needs."""
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx: Any, g: Tensor, g_inverse: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient as for a batch norm; ``g_inverse`` is not 0 where this gradient is differentiated."""
        normal, inverse = ctx.saved_tensors
        mean = g.mean((-2, -1), keepdim=True)
        along = (g * normal).mean((-2, -1), keepdim=True) + g_inverse * inverse / normal.shape[-2:].numel()
        return torch.addcmul(g - mean, normal, along, value=-1) * inverse, None


@dataclass(frozen=True, repr=False)
class WeightStandardization(WeightLayer):
    """Uses each output's weights with mean 0 and variance 1 over its inputs, while the stored ones stay as they are.

    Formula:
        the layer uses   (w - mean) / √(var + eps),   mean and var (biased) over the inputs and positions of one output

    Helps when:
        A convolutional network has a group norm behind its layers, since batches are too small for a batch norm: the
        two together come near to it. It makes the loss smoother.

    Hurts when:
        No norm comes behind the layer, the output layer above all: with n inputs and positions the outputs are √n times
        as large as the inputs; leave it out by ``on``. A single weight becomes 0. Penalties on the stored weight no
        longer limit the function, only its learning rate.

    Conversion:
        timm's StdConv2d(eps) = eps; Composer's WeightStandardization has eps = 1e-10; the paper's own code takes the
        unbiased deviation plus 1e-5. timm's ScaledStdConv2d divides by √n besides and learns a gain.

    Conflicts:
        SpectralNorm: doubtful. Both set the size of a weight, and the later one's remains; keep one of them.

    Example:
        >>> import torch
        >>> w = torch.tensor([[[1.0], [3.0]], [[10.0], [30.0]]])
        >>> WeightStandardization.torch(w, eps=1e-9).squeeze()
        tensor([[-1.,  1.],
                [-1.,  1.]])
        >>> WeightStandardization().parametrize(torch.nn.Linear(4, 8)).weight.shape  # of a layer in any network
        torch.Size([8, 4])

    Paper:
        Qiao et al., Micro-Batch Training with Batch-Channel Normalization and Weight Standardization, 2019,
        https://arxiv.org/abs/1903.10520, the definition of WS, with eps under the root.
    """

    eps: Strength = knob(
        1e-6, "added to the variance before the root", open_low=True, high=1.0, log=True, known_as=("epsilon",)
    )

    known_as = ("StdConv2d",)
    vanilla = staticmethod(weight_standardization_vanilla)
    torch = staticmethod(weight_standardization)

    @staticmethod
    def evaluate(w: Any, *, eps: Any) -> Any:
        """(..., outputs, inputs, positions) -> the weight as it acts, as in training."""
        centered = w - w.mean((-2, -1))[..., None, None]
        return centered / ((centered**2).mean((-2, -1))[..., None, None] + eps) ** 0.5
