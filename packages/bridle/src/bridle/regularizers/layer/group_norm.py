"""Group normalization: channels that belong together share a volume, in each image by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bridle.knobs import knob
from bridle.places import Layer
from bridle.schedules import Strength

Gradients = tuple[np.ndarray, np.ndarray, np.ndarray]


def group_norm_vanilla(
    h: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, eps: float, groups: str
) -> tuple[np.ndarray, Callable[[np.ndarray], Gradients]]:
    """(batch, channels, height, width) and twice (channels, 1, 1) -> the same, and the gradient function."""
    shape = in_groups(h.shape, groups)
    x = h.reshape(shape)
    mean = x.mean((2, 3), keepdims=True)
    var = ((x - mean) ** 2).mean((2, 3), keepdims=True)
    deviation = np.sqrt(var + eps)
    normal = (x - mean) / deviation

    def backward(g: np.ndarray) -> Gradients:
        g_normal = (g * weight).reshape(shape)
        # A group has neither its mean nor its size any more, so whatever of the gradient would change these is lost.
        along = normal * (g_normal * normal).mean((2, 3), keepdims=True)
        g_x = (g_normal - g_normal.mean((2, 3), keepdims=True) - along) / deviation
        g_weight = (g * normal.reshape(h.shape)).sum((0, 2, 3)).reshape(weight.shape)
        return g_x.reshape(h.shape), g_weight, g.sum((0, 2, 3)).reshape(bias.shape)

    return normal.reshape(h.shape) * weight + bias, backward


def group_norm(h: Tensor, weight: Tensor, bias: Tensor, *, eps: float | Tensor, groups: str) -> Tensor:
    """(..., batch, channels, height, width) and twice (..., channels, 1, 1) -> the first's shape."""
    wide = h.to(torch.promote_types(h.dtype, torch.float32))  # bfloat16 has no digits for a mean
    out: Tensor = (normalized(wide, eps, groups) * weight + bias).to(h.dtype)
    return out


def normalized(h: Any, eps: Any, groups: str) -> Any:
    """(..., channels, height, width) -> the same, each group standardized; by arithmetic alone, for both forms."""
    x = h.reshape(in_groups(h.shape, groups))
    centered = x - x.mean((-2, -1))[..., None, None]
    normal = centered / ((centered**2).mean((-2, -1))[..., None, None] + eps) ** 0.5
    return normal.reshape(*normal.shape[:-4], *h.shape[-4:])


def in_groups(shape: Sequence[int], groups: str) -> tuple[int, ...]:
    """(..., channels, height, width) -> (..., groups, channels of one, positions); ``ValueError`` if that cannot be."""
    *rows, channels, height, width = shape
    each, left = divmod(channels, int(groups))
    if left:
        raise ValueError(f"GroupNorm: {channels} channels do not divide into {groups} groups of one size")
    if each * height * width < 2:  # one value alone equals its own mean
        raise ValueError(f"GroupNorm: {groups} groups of {channels} channels hold one value each; take fewer groups")
    return (*rows, int(groups), each, height * width)


@dataclass(frozen=True, repr=False)
class GroupNorm(Layer):
    """Standardizes groups of channels within each example before the activation, then rescales by gamma and beta.

    Formula:
        h ← gamma · (h - mean) / √(var + eps) + beta,   mean and var (biased) over the channels of one group and all
        positions of one example, gamma and beta for each channel;   the same in evaluation

    Helps when:
        The network is convolutional and batches are small, where a batch norm fails: an example's statistics are its
        own. Some structure between channels is kept, unlike with one group (a layer norm).

    Hurts when:
        Batches are large: a batch norm is usually a little better in images. Groups hold few values, in
        networks without images: of two hardly more than a sign is left, and the loss is steep where they cross.

    Conversion:
        torch's GroupNorm(groups, channels, eps) and Keras's GroupNormalization(groups, epsilon) = groups, eps. The
        paper's and Keras's 32 groups are meant for hundreds of channels; 2 divide nearly any width. One group is
        torch's LayerNorm over channels, height and width, but for the shape of gamma and beta; as many groups as
        channels are its InstanceNorm.

    Conflicts:
        RMSNorm: doubtful. Each sets the size of an example anew; keep one of them.

    Example:
        >>> import torch
        >>> h, each = torch.tensor([1.0, 3.0, 10.0, 30.0]).view(1, 4, 1, 1), torch.ones(4, 1, 1)
        >>> GroupNorm.torch(h, each, each, eps=1e-9, groups="2").flatten()
        tensor([0., 2., 0., 2.])
        >>> GroupNorm().module(4, axes=4)(torch.ones(2, 4, 3, 3)).shape  # as a module, in any network
        torch.Size([2, 4, 3, 3])

    Paper:
        Wu and He, Group Normalization, 2018, https://arxiv.org/abs/1803.08494, equations 1, 2, 6 and 7.
    """

    eps: Strength = knob(
        1e-5, "added to the variance before the root", open_low=True, high=1.0, log=True, known_as=("epsilon",)
    )
    groups: str = knob(
        "2",
        "how many groups the channels are divided into",
        choices=("1", "2", "4", "8", "16", "32", "64"),
        known_as=("num_groups",),
        in_formula=True,
    )

    known_as = ("GroupNormalization",)
    parameters: ClassVar[dict[str, Any]] = {"weight": 1.0, "bias": 0.0}
    maps: ClassVar[bool] = True
    before_activation: ClassVar[bool] = True
    vanilla = staticmethod(group_norm_vanilla)
    torch = staticmethod(group_norm)

    @staticmethod
    def evaluate(h: Any, weight: Any, bias: Any, *, eps: Any, groups: str) -> Any:
        """(..., batch, channels, height, width) -> the same, as in training."""
        return normalized(h, eps, groups) * weight + bias

    def make_module(self, units: int, axes: int) -> nn.Module:
        """torch's own, which takes any number of positions."""
        del axes
        return nn.GroupNorm(int(self.groups), units, eps=self.numbers()["eps"])
