"""What GroupLasso's card claims: what its groups are, scikit-learn's minimum, and whole groups that vanish."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.linear_model import MultiTaskLasso

from bridle import L1, GroupLasso

W = np.random.default_rng(0).normal(size=(4, 3, 5))  # outputs, inputs, positions
GROUPS = {
    "rows": [W[output] for output in range(4)],
    "columns": [W[:, place, position] for place in range(3) for position in range(5)],
    "channels": [W[:, channel] for channel in range(3)],
}


@pytest.mark.parametrize("groups", GROUPS)
def test_the_penalty_is_the_root_of_the_size_times_the_length_of_each_group(groups):
    expected = sum(np.sqrt(group.size) * np.linalg.norm(group) for group in GROUPS[groups])
    assert GroupLasso.vanilla(W, strength=1.0, groups=groups)[0] == pytest.approx(expected)
    assert GroupLasso.torch(torch.from_numpy(W), strength=1.0, groups=groups).item() == pytest.approx(expected)


def test_in_a_linear_layer_columns_and_channels_are_the_same():
    w = W[:, :, :1]
    columns, channels = (GroupLasso.vanilla(w, strength=1.0, groups=groups) for groups in ("columns", "channels"))
    assert columns[0] == pytest.approx(channels[0])
    assert_allclose(columns[1], channels[1])


def test_groups_of_one_weight_make_it_l1():
    w = W[:, :1, :1]
    penalty, gradient = GroupLasso.vanilla(w, strength=0.3, groups="rows")
    assert penalty == pytest.approx(L1.vanilla(w, strength=0.3)[0])
    assert_allclose(gradient, L1.vanilla(w, strength=0.3)[1])


def test_the_minimum_is_scikit_learns_multi_task_lasso_at_the_cards_conversion():
    random = np.random.default_rng(1)
    x, outputs, strength = random.normal(size=(60, 8)), 3, 0.3
    y = x[:, :2] @ random.normal(size=(2, outputs)) + 0.1 * random.normal(size=(60, outputs))
    alpha = strength * np.sqrt(outputs) / 2
    w = MultiTaskLasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(x, y).coef_
    alive = w.any(0)
    assert 0 < alive.sum() < 8
    penalty_gradient = GroupLasso.vanilla(w[:, :, None], strength=strength, groups="columns")[1][:, :, 0]
    total = 2 * (x @ w.T - y).T @ x / len(x) + penalty_gradient
    assert_allclose(total[:, alive], 0, atol=1e-7)
    assert (np.linalg.norm(total[:, ~alive], axis=0) <= strength * np.sqrt(outputs)).all()


@pytest.mark.parametrize("groups", GROUPS)
def test_a_group_of_zeros_stays_and_disturbs_no_other(groups):
    w = W.copy()
    w[0], w[:, 1], w[:, :, 2] = 0, 0, 0  # a row, a channel and, of each channel, a column
    gradient = GroupLasso.vanilla(w, strength=0.3, groups=groups)[1]
    assert (gradient[w == 0] == 0).all()
    assert np.isfinite(gradient).all()
    assert gradient[w != 0].all()
    leaf = torch.from_numpy(w.copy()).requires_grad_()
    GroupLasso.torch(leaf, strength=0.3, groups=groups).backward()
    assert leaf.grad is not None
    assert_allclose(leaf.grad, gradient, atol=1e-15)
    by_hand = GroupLasso.add_gradient(torch.zeros_like(leaf), leaf.detach(), strength=0.3, groups=groups)
    assert_allclose(by_hand, gradient, atol=1e-15)


def test_a_whole_unit_becomes_small_while_the_one_that_is_needed_stays():
    w = np.ones((2, 4, 1))
    target = np.array([[3.0], [0.2]])[:, :, None] * np.ones((2, 4, 1))
    for _ in range(2000):
        w = w - 0.01 * (2 * (w - target) + GroupLasso.vanilla(w, strength=1.0, groups="rows")[1])
    lengths = np.linalg.norm(w, axis=(1, 2))
    assert lengths[0] == pytest.approx(6.0 - np.sqrt(4) / 2, rel=1e-6)  # soft threshold of the length
    assert 0 < lengths[1] < 0.02  # near zero, and never there


def test_an_unknown_kind_of_group_is_named():
    with pytest.raises(ValueError, match="groups must be one of rows, columns, channels, got 'units'"):
        GroupLasso.vanilla(W, strength=1.0, groups="units")
