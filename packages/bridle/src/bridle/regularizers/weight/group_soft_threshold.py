"""Group soft threshold (proximal group lasso): weights that only make sense together become zero together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Weight, in_choices
from bridle.schedules import Strength

# The axes of (outputs, inputs, positions) along which a group lies, counted from the end.
AXES = {"rows": (-2, -1), "columns": (-3,), "channels": (-3, -1)}


def group_soft_threshold_vanilla(w: np.ndarray, *, strength: float, lr: float, groups: str) -> np.ndarray:
    """(outputs, inputs, positions) -> the same shape."""
    axes = AXES[in_choices("groups", groups, tuple(AXES))]
    taken = lr * strength * math.sqrt(group_size(w.shape, axes))
    length = np.sqrt((w**2).sum(axes, keepdims=True))
    return w * np.maximum(1 - taken / np.where(length == 0, np.inf, length), 0)  # a group of zeros stays


def group_soft_threshold(
    w: Tensor, *, strength: float | Tensor, lr: float, groups: str, out: Tensor | None = None
) -> Tensor:
    """(..., outputs, inputs, positions) -> the same shape."""
    axes = AXES[in_choices("groups", groups, tuple(AXES))]
    taken = lr * strength * w.new_tensor(math.sqrt(group_size(w.shape, axes)))
    length = torch.linalg.vector_norm(w, dim=axes, keepdim=True)
    share = (1 - taken / length.masked_fill(length == 0, math.inf)).clamp(min=0)
    return torch.mul(w, share.to(w.dtype), out=out)


def group_size(shape: Sequence[int], axes: tuple[int, ...]) -> int:
    """Return the number of weights of one group."""
    return math.prod(shape[axis] for axis in axes)


@dataclass(frozen=True, repr=False)
class GroupSoftThreshold(Weight):
    """Shortens whole groups of weights by a fixed length behind the update; a group with no length left stays zero.

    Formula:
        w_g ← w_g · max(1 - lr · strength · √(size of g) / ‖w_g‖, 0)   for each group g

    Helps when:
        The network shall become smaller, or show which inputs it needs. A group is, with ``rows``, all weights into one
        unit (a filter of a convolution); with ``columns``, all that read one input value; with ``channels``, all that
        read one input channel, at any position. In a linear layer ``columns`` and ``channels`` are the same. With SGD
        it minimizes data_loss(w) + strength · Σ √(size of g) · ‖w_g‖.

    Hurts when:
        The weights of a group have little to do with each other. Behind a unit whose row is zero its bias remains.
        Under Adam a weight's steps are about lr whatever its gradient, so that strengths near 1 hold back everything.
        Before a batch norm the length of a row does not matter to the function: which rows go is arbitrary.

    Conversion:
        GroupLasso(strength) = strength; scikit-learn's MultiTaskLasso alpha = strength · √outputs / 2, for ``columns``
        of a linear layer and the squared error summed over the outputs, averaged over the rows. With momentum m it
        minimizes what plain SGD would with (1 - m) · strength. Behind SoftThreshold: the sparse group lasso.

    Conflicts:
        EMA, SWA, Lookahead: doubtful. An average is zero only where all that went into it were: zeros become rare.
        WeightNorm, WeightStandardization: doubtful. They divide the length of rows out; take ``columns``, or one.

    Example:
        >>> import torch
        >>> w = torch.tensor([[3.0, 4.0], [0.03, 0.04]])  # two units that read two inputs
        >>> GroupSoftThreshold(strength=2**0.5, groups="rows")(w, lr=0.1)
        tensor([[2.8800, 3.8400],
                [0.0000, 0.0000]])

    Paper:
        Yuan and Lin, Model Selection and Estimation in Regression with Grouped Variables, 2006,
        https://doi.org/10.1111/j.1467-9868.2005.00532.x, equation 2.4; for networks: Wen et al., Learning Structured
        Sparsity in Deep Neural Networks, 2016, https://arxiv.org/abs/1608.03665, and Scardapane et al., Group Sparse
        Regularization for Deep Neural Networks, 2017, https://arxiv.org/abs/1607.00485; the step: Parikh and Boyd,
        Proximal Algorithms, 2014, https://doi.org/10.1561/2400000003, section 6.5.
    """

    strength: Strength = knob(
        0.0001,
        "cost of one unit of length, of a group of one",
        off=0.0,
        open_high=True,
        log=True,
        differs=("alpha",),
    )
    groups: str = knob(
        "rows",
        "what a group is: the weights of a unit, an input value or a channel",
        choices=tuple(AXES),
        in_formula=True,
    )

    known_as = ("ProximalGroupLasso",)
    step_inputs = ("lr",)
    after_update: ClassVar[bool] = True
    matrix: ClassVar[bool] = True
    vanilla = staticmethod(group_soft_threshold_vanilla)
    torch = staticmethod(group_soft_threshold)
