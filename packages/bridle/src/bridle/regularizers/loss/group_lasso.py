"""Group lasso: weights that only make sense together are kept together or shrink to nothing together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Loss, in_choices
from bridle.schedules import Strength

# The axes of (outputs, inputs, positions) along which a group lies, counted from the end.
AXES = {"rows": (-2, -1), "columns": (-3,), "channels": (-3, -1)}


def group_lasso_vanilla(w: np.ndarray, *, strength: float, groups: str) -> tuple[float, np.ndarray]:
    """(outputs, inputs, positions) -> the penalty, and its gradient in the shape of ``w``."""
    axes = AXES[in_choices("groups", groups, tuple(AXES))]
    cost = strength * math.sqrt(group_size(w.shape, axes))  # or large groups would be cheaper, weight by weight
    lengths = np.sqrt((w**2).sum(axes, keepdims=True))
    penalty = cost * lengths.sum()
    gradient = cost * w / np.where(lengths == 0, np.inf, lengths)  # a group of zeros stays
    return float(penalty), gradient


def group_lasso(w: Tensor, *, strength: float | Tensor, groups: str) -> Tensor:
    """(outputs, inputs, positions) -> the penalty, a scalar."""
    axes = AXES[in_choices("groups", groups, tuple(AXES))]
    lengths: Tensor = torch.linalg.vector_norm(w, dim=axes)
    return strength * math.sqrt(group_size(w.shape, axes)) * lengths.sum()


def add_group_lasso_gradient(
    g: Tensor, w: Tensor, *, strength: float | Tensor, groups: str, out: Tensor | None = None
) -> Tensor:
    """(..., outputs, inputs, positions), twice -> ``g`` plus the gradient of the penalty."""
    axes = AXES[in_choices("groups", groups, tuple(AXES))]
    lengths = torch.linalg.vector_norm(w, dim=axes, keepdim=True)
    cost = w.new_tensor(math.sqrt(group_size(w.shape, axes))) * strength
    return torch.addcmul(g, w, cost / lengths.masked_fill(lengths == 0, math.inf), out=out)


def group_size(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """Return the number of weights of one group."""
    return math.prod(shape[axis] for axis in axes)


@dataclass(frozen=True, repr=False)
class GroupLasso(Loss):
    """Adds the lengths of groups of weights to the loss, which shrinks whole units, inputs or channels towards zero.

    Formula:
        loss(w) = data_loss(w) + strength · Σ √(size of g) · ‖w_g‖   over the groups g,
        gradient: strength · √(size of g) · w / ‖w_g‖, 0 where the whole group is 0

    Helps when:
        The network shall become smaller, or show which inputs it needs. A group is, with ``rows``, all weights into one
        unit (a filter of a convolution); with ``columns``, all that read one input value; with ``channels``, all that
        read one input channel, at any position. In a linear layer ``columns`` and ``channels`` are the same.

    Hurts when:
        Groups shall be exactly zero: this gradient only comes near (use GroupSoftThreshold). The bias of a unit whose
        row is gone remains. Before a batch norm the length of a row does not matter: all shrink and none is chosen.

    Conversion:
        scikit-learn's MultiTaskLasso alpha = strength · √outputs / 2, for ``columns`` of a linear layer and the squared
        error summed over the outputs, averaged over the rows. Groups of one weight make it L1(strength).

    Conflicts:
        GroupSoftThreshold: doubtful. Both shrink whole groups, so it acts twice; keep GroupSoftThreshold.

    Example:
        >>> import torch
        >>> w = torch.tensor([[3.0, 4.0], [0.0, 0.0]])  # two units that read two inputs
        >>> GroupLasso(strength=1.0, groups="rows")(w), GroupLasso(strength=1.0, groups="columns")(w)
        (tensor(7.0711), tensor(9.8995))

    Paper:
        Yuan and Lin, Model Selection and Estimation in Regression with Grouped Variables, 2006,
        https://doi.org/10.1111/j.1467-9868.2005.00532.x, equation 2.1 with K = size · I; for networks: Wen et al.,
        Learning Structured Sparsity in Deep Neural Networks, 2016, https://arxiv.org/abs/1608.03665 (rows: filters;
        channels), and Scardapane et al., Group Sparse Regularization for Deep Neural Networks, 2017,
        https://arxiv.org/abs/1607.00485 (columns).
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

    matrix: ClassVar[bool] = True
    vanilla = staticmethod(group_lasso_vanilla)
    torch = staticmethod(group_lasso)
    add_gradient = staticmethod(add_group_lasso_gradient)
