"""Batch normalization: every unit speaks at the same volume, set by the batch it is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function

from bridle.knobs import knob
from bridle.places import Layer, RunningStatistics
from bridle.schedules import Strength

Gradients = tuple[np.ndarray, np.ndarray, np.ndarray]


def batch_norm_vanilla(
    h: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    state: RunningStatistics[np.ndarray],
    *,
    momentum: float,
    eps: float,
) -> tuple[np.ndarray, RunningStatistics[np.ndarray], Callable[[np.ndarray], Gradients]]:
    """(batch, units), all else (units,) -> (batch, units), the new running statistics, and the gradient function."""
    n = at_least_two(len(h))
    mean = h.sum(0) / n
    var = ((h - mean) ** 2).sum(0) / n
    deviation = np.sqrt(var + eps)
    normal = (h - mean) / deviation
    new_mean = (1 - momentum) * state.running_mean + momentum * mean
    new_var = (1 - momentum) * state.running_var + momentum * var * n / (
        n - 1
    )  # unbiased, as evaluation meets new examples

    def backward(g: np.ndarray) -> Gradients:
        g_normal = g * weight
        g_var = (g_normal * (h - mean)).sum(0) * -0.5 * deviation**-3
        g_mean = -g_normal.sum(0) / deviation - g_var * 2 * (h - mean).sum(0) / n
        g_h = g_normal / deviation + g_var * 2 * (h - mean) / n + g_mean / n
        return g_h, (g * normal).sum(0), g.sum(0)

    return normal * weight + bias, RunningStatistics(new_mean, new_var), backward


def batch_norm(
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    state: RunningStatistics[Tensor],
    *,
    momentum: float | Tensor,
    eps: float | Tensor,
) -> tuple[Tensor, RunningStatistics[Tensor]]:
    """(..., batch, units), all else (..., 1, units) or (units,) -> the first's shape, the new running statistics."""
    at_least_two(h.shape[-2])
    eps = torch.as_tensor(eps, dtype=h.dtype, device=h.device)
    out, mean, var, *_ = Standardized.apply(h, weight, bias, eps)  # type: ignore[no-untyped-call]  # torch's own
    return out, updated_statistics(state, mean, var, momentum, h.shape[-2])


def batch_norm_with_gradient(
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    state: RunningStatistics[Tensor],
    *,
    momentum: float | Tensor,
    eps: float | Tensor,
) -> tuple[Tensor, RunningStatistics[Tensor], Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]]:
    """(..., batch, units), all else (..., 1, units) -> the same as :func:`batch_norm`, and the gradient function."""
    at_least_two(h.shape[-2])
    normal, inverse, mean, var = standardized(h, eps)

    def backward(g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return standardized_gradients(g, normal, inverse, weight)

    return torch.addcmul(bias, normal, weight), updated_statistics(state, mean, var, momentum, h.shape[-2]), backward


def updated_statistics(
    state: RunningStatistics[Tensor], mean: Tensor, var: Tensor, momentum: float | Tensor, n: int
) -> RunningStatistics[Tensor]:
    """Return the running statistics after one more batch of ``n`` rows."""
    running_mean, running_var = state
    new_mean = running_mean + momentum * (mean - running_mean)
    new_var = running_var + momentum * (var * (n / (n - 1)) - running_var)
    return RunningStatistics(new_mean.view_as(running_mean), new_var.view_as(running_var))


def standardized(h: Tensor, eps: float | Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the batch with mean 0 and variance 1, the inverse deviation, mean and variance."""
    mean = h.mean(-2, keepdim=True)
    centered = h - mean
    var = centered.square().mean(-2, keepdim=True)
    inverse = (var + eps).rsqrt()
    return centered * inverse, inverse, mean, var


def standardized_gradients(g: Tensor, normal: Tensor, inverse: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of batch, weight and bias: section 3 of the paper, its sums taken together."""
    n = g.shape[-2]
    g_bias = g.sum(-2, keepdim=True)
    g_weight = (g * normal).sum(-2, keepdim=True)
    g_h = torch.addcmul(g - g_bias / n, normal, g_weight / n, value=-1) * (inverse * weight)
    return g_h, g_weight, g_bias


class Standardized(Function):
    """Output, mean and biased variance of a batch; the gradient in fewer passes than autograd takes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(h: Tensor, weight: Tensor, bias: Tensor, eps: Tensor) -> tuple[Tensor, ...]:
        """Return the output, the statistics, and what the way back needs: normalized values and inverse deviation."""
        normal, inverse, mean, var = standardized(h, eps)
        return torch.addcmul(bias, normal, weight), mean, var, normal, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Only the output has a gradient: the statistics are state."""
        ctx.save_for_backward(*inputs, *output[3:])
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, g: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the inputs."""
        h, weight, bias, eps, normal, inverse = ctx.saved_tensors
        if torch.is_grad_enabled():  # this gradient is to be differentiated itself: its way must lead back to h
            normal, inverse, *_ = standardized(h, eps)
        g_h, g_weight, g_bias = standardized_gradients(g, normal, inverse, weight)
        return g_h, g_weight.sum_to_size(weight.shape), g_bias.sum_to_size(bias.shape), None


def at_least_two(rows: int) -> int:
    """Return the number of rows; ``ValueError`` for one alone, whose variance cannot be estimated."""
    if rows < 2:
        raise ValueError(f"BatchNorm: a training batch must have at least 2 rows, got {rows}; take larger batches")
    return rows


@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """Standardizes each hidden unit over the batch before its activation, then rescales by a learned gamma and beta.

    Formula:
        h ← gamma · (h - mean) / √(var + eps) + beta,   mean and var (biased) over the batch;
        running ← (1 - momentum) · running + momentum · (mean, unbiased var), which evaluation uses instead

    Helps when:
        The network is deep or the learning rate high: it makes the loss easier to descend, and the noise of the batch
        statistics regularizes a little.

    Hurts when:
        Batches are small (a batch of one cannot be normalized), examples in a batch are related, or dropout comes
        before it. Penalties on the weights that it follows no longer limit the function.

    Conversion:
        torch's BatchNorm1d(momentum, eps) = momentum, eps; Keras's BatchNormalization(momentum=m, epsilon): momentum =
        1 - m, eps = epsilon, and there the biased variance is remembered.

    Conflicts:
        GhostBatchNorm, LayerNorm, GroupNorm, RMSNorm: doubtful. Each sets the scale of units anew; keep one of them.

    Example:
        >>> import torch
        >>> h, zeros, ones = torch.tensor([[1.0], [3.0]]), torch.zeros(1), torch.ones(1)
        >>> out, state = BatchNorm.torch(h, ones, zeros, RunningStatistics(zeros, ones), momentum=0.1, eps=0.0)
        >>> out.flatten(), state
        (tensor([-1.,  1.]), RunningStatistics(running_mean=tensor([0.2000]), running_var=tensor([1.1000])))
        >>> BatchNorm().module(4)(torch.ones(2, 4)).shape  # as a module, in any network
        torch.Size([2, 4])

    Paper:
        Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
        Shift, 2015, https://arxiv.org/abs/1502.03167, algorithms 1 and 2; the gradient is that of section 3.
    """

    momentum: Strength = knob(0.1, "weight of the newest batch in the running statistics", high=1.0, newest=1.0)
    eps: Strength = knob(
        1e-5, "added to the variance before the root", open_low=True, high=1.0, log=True, known_as=("epsilon",)
    )

    known_as = ("BatchNormalization", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d")
    parameters: ClassVar[dict[str, Any]] = {"weight": 1.0, "bias": 0.0}
    state = RunningStatistics(running_mean=0.0, running_var=1.0)
    before_activation: ClassVar[bool] = True
    vanilla = staticmethod(batch_norm_vanilla)
    torch = staticmethod(batch_norm)
    torch_with_gradient = staticmethod(batch_norm_with_gradient)

    @staticmethod
    def evaluate(h: Any, weight: Any, bias: Any, state: RunningStatistics[Any], *, momentum: Any, eps: Any) -> Any:
        """(..., batch, units) -> the same, normalized by the running statistics."""
        del momentum  # the statistics rest
        return (h - state.running_mean) * (weight / (state.running_var + eps) ** 0.5) + bias

    def make_module(self, units: int, axes: int) -> nn.Module:
        """torch's own."""
        kind = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[axes]
        numbers = self.numbers()
        return kind(units, eps=numbers["eps"], momentum=numbers["momentum"])
