"""Ghost batch normalization: a large batch that is as noisy for the network as several small ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Layer, RunningStatistics
from bridle.schedules import Strength

Gradients = tuple[np.ndarray, np.ndarray, np.ndarray]


def ghost_batch_norm_vanilla(
    h: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    state: RunningStatistics[np.ndarray],
    *,
    momentum: float,
    eps: float,
    parts: str,
) -> tuple[np.ndarray, RunningStatistics[np.ndarray], Callable[[np.ndarray], Gradients]]:
    """(batch, units), all else (units,) -> (batch, units), the new running statistics, and the gradient function."""
    ghosts = np.array_split(h, count(parts, len(h)))
    means = [ghost.mean(0) for ghost in ghosts]
    variances = [ghost.var(0) for ghost in ghosts]
    deviations = [np.sqrt(var + eps) for var in variances]
    normals = [(ghost - mean) / deviation for ghost, mean, deviation in zip(ghosts, means, deviations, strict=True)]
    unbiased = [var * len(ghost) / (len(ghost) - 1) for ghost, var in zip(ghosts, variances, strict=True)]
    new_mean = (1 - momentum) * state.running_mean + momentum * np.mean(means, 0)
    new_var = (1 - momentum) * state.running_var + momentum * np.mean(unbiased, 0)

    def backward(g: np.ndarray) -> Gradients:
        g_normals = np.array_split(g * weight, len(ghosts))
        g_ghosts = [
            (g_normal - g_normal.mean(0) - normal * (g_normal * normal).mean(0)) / deviation
            for g_normal, normal, deviation in zip(g_normals, normals, deviations, strict=True)
        ]
        return np.concatenate(g_ghosts), (g * np.concatenate(normals)).sum(0), g.sum(0)

    return np.concatenate(normals) * weight + bias, RunningStatistics(new_mean, new_var), backward


def ghost_batch_norm(
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    state: RunningStatistics[Tensor],
    *,
    momentum: float | Tensor,
    eps: float | Tensor,
    parts: str,
) -> tuple[Tensor, RunningStatistics[Tensor]]:
    """(..., batch, units), all else (..., 1, units) or (units,) -> the first's shape, the new running statistics."""
    wide = h.to(torch.promote_types(h.dtype, torch.float32))  # bfloat16 has no digits for a mean
    normals, means, variances = [], [], []
    for ghosts in equal_parts(wide, parts):
        rows = ghosts.shape[-2]
        mean = ghosts.mean(-2)  # (..., parts, units), against which knobs broadcast
        centered = ghosts - mean.unsqueeze(-2)
        var = centered.square().mean(-2)
        normals.append((centered * (var + eps).rsqrt().unsqueeze(-2)).flatten(-3, -2))
        means.append(mean.detach())
        variances.append(var.detach() * (rows / (rows - 1)))
    out = torch.cat(normals, -2) * weight + bias
    new_mean = moved(state.running_mean, torch.cat(means, -2), momentum)
    new_var = moved(state.running_var, torch.cat(variances, -2), momentum)
    return out.to(h.dtype), RunningStatistics(new_mean, new_var)


def equal_parts(h: Tensor, parts: str) -> list[Tensor]:
    """(..., batch, units) -> as NumPy's ``array_split``, the parts of one size together: (..., parts, rows, units)."""
    rows, larger = divmod(h.shape[-2], count(parts, h.shape[-2]))
    sizes = [(larger, rows + 1), (int(parts) - larger, rows)]
    pieces = h.split([number * each for number, each in sizes], -2)
    return [piece.unflatten(-2, size) for piece, size in zip(pieces, sizes, strict=True) if size[0]]


def moved(running: Tensor, of_parts: Tensor, momentum: float | Tensor) -> Tensor:
    """Return the running statistic after (..., parts, units) new ones."""
    new = running + momentum * (of_parts.mean(-2, keepdim=True) - running)
    return new.view_as(running).to(running.dtype)


def count(parts: str, rows: int) -> int:
    """Return the number of parts; ``ValueError`` unless each has two rows: one alone equals its own mean."""
    if rows < 2 * int(parts):
        raise ValueError(
            f"GhostBatchNorm: each of {parts} parts of a training batch must have at least 2 rows, got {rows} rows; "
            "take larger batches or fewer parts"
        )
    return int(parts)


@dataclass(frozen=True, repr=False)
class GhostBatchNorm(Layer):
    """Normalizes each part of a training batch as if it were a batch of its own, as a batch norm before activations.

    Formula:
        h ← gamma · (h - mean) / √(var + eps) + beta,   mean and var (biased) over one of ``parts`` parts of the batch;
        running ← (1 - momentum) · running + momentum · (mean, unbiased var), averaged over the parts, which evaluation
        uses instead.   The parts are neighbouring rows; where rows do not divide, the first parts have one more.

    Helps when:
        Batches are large for the sake of speed: the statistics are again as noisy as those of small ones, and the noise
        regularizes.

    Hurts when:
        Parts get small (below some 16 rows the statistics say little), or the batch is small already. Penalties on the
        weights that it follows no longer limit the function.

    Conversion:
        parts = batch size / ghost batch size, of Composer's GhostBatchNorm(ghost_batch_size) or pytorch-tabnet's
        GBN(virtual_batch_size). In the paper and in tabnet each part moves the running statistics in turn by a
        momentum m, together by 1 - (1 - m) ** parts, which is momentum here; Composer's parts move them by momentum /
        parts each, nearly the same as here.

    Conflicts:
        LayerNorm, GroupNorm, RMSNorm: doubtful. Each sets the scale of units anew; keep one of them.

    Example:
        >>> import torch
        >>> h, zeros, ones = torch.tensor([[1.0], [3.0], [10.0], [30.0]]), torch.zeros(1), torch.ones(1)
        >>> state = RunningStatistics(zeros, ones)
        >>> out, state = GhostBatchNorm.torch(h, ones, zeros, state, momentum=0.1, eps=1e-9, parts="2")
        >>> out.flatten(), state
        (tensor([-1.,  1., -1.,  1.]), RunningStatistics(running_mean=tensor([1.1000]), running_var=tensor([11.])))
        >>> GhostBatchNorm().module(4)(torch.ones(8, 4)).shape  # as a module, in any network
        torch.Size([8, 4])

    Paper:
        Hoffer, Hubara and Soudry, Train Longer, Generalize Better: Closing the Generalization Gap in Large Batch
        Training of Neural Networks, 2017, https://arxiv.org/abs/1705.08741, algorithm 1.
    """

    momentum: Strength = knob(0.1, "weight of the newest batch in the running statistics", high=1.0, newest=1.0)
    eps: Strength = knob(
        1e-5, "added to the variance before the root", open_low=True, high=1.0, log=True, known_as=("epsilon",)
    )
    parts: str = knob(
        "4",
        "how many parts a batch is divided into",
        choices=("2", "4", "8", "16", "32"),
        differs=("ghost_batch_size", "virtual_batch_size"),
        in_formula=True,
    )

    known_as = ("GBN", "GhostBatchNormalization")
    parameters: ClassVar[dict[str, Any]] = {"weight": 1.0, "bias": 0.0}
    state = RunningStatistics(running_mean=0.0, running_var=1.0)
    before_activation: ClassVar[bool] = True
    vanilla = staticmethod(ghost_batch_norm_vanilla)
    torch = staticmethod(ghost_batch_norm)

    @staticmethod
    def evaluate(
        h: Any, weight: Any, bias: Any, state: RunningStatistics[Any], *, momentum: Any, eps: Any, parts: str
    ) -> Any:
        """(..., batch, units) -> the same, normalized by the running statistics."""
        del momentum, parts  # the statistics rest, and are those of the parts' average
        return (h - state.running_mean) * (weight / (state.running_var + eps) ** 0.5) + bias
