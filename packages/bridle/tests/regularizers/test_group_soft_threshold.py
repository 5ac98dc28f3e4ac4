"""What GroupSoftThreshold's card claims: its groups, the proximal step, the lasso of scikit-learn, exact zeros."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.linear_model import MultiTaskLasso

from bridle import GroupSoftThreshold, SoftThreshold

GROUPS = ("rows", "columns", "channels")
LR = 0.1


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape)


def shrunk(w, **knobs):
    """Both forms."""
    ours = GroupSoftThreshold.vanilla(w, lr=LR, **knobs)
    assert_allclose(GroupSoftThreshold.torch(torch.from_numpy(w), lr=LR, **knobs), ours, rtol=1e-12, atol=1e-15)
    return ours


def members(groups):
    """The groups of a convolution of 4 filters over 3 channels, 2 positions, written out one by one."""
    index = np.arange(4 * 3 * 2).reshape(4, 3, 2)
    if groups == "rows":
        return [index[unit].ravel() for unit in range(4)]
    if groups == "columns":
        return [index[:, channel, position] for channel in range(3) for position in range(2)]
    return [index[:, channel].ravel() for channel in range(3)]


@pytest.mark.parametrize("groups", GROUPS)
def test_each_group_is_shortened_by_the_same_length_per_root_of_its_size(groups):
    w, strength = draw(4, 3, 2), 3.0
    ours = shrunk(w, strength=strength, groups=groups).ravel()
    for group in members(groups):
        before, after = np.linalg.norm(w.ravel()[group]), np.linalg.norm(ours[group])
        assert after == pytest.approx(max(before - LR * strength * len(group) ** 0.5, 0))
        assert_allclose(ours[group] * before, w.ravel()[group] * after, atol=1e-13)  # its direction stays


@pytest.mark.parametrize("groups", GROUPS)
def test_it_is_the_proximal_step(groups):
    w, strength = draw(4, 3, 2), 3.0
    random = np.random.default_rng(1)

    def cost(v):
        lengths = sum(len(group) ** 0.5 * np.linalg.norm(v.ravel()[group]) for group in members(groups))
        return ((v - w) ** 2).sum() / 2 + LR * strength * lengths

    ours = shrunk(w, strength=strength, groups=groups)
    for scale in (1e-3, 1e-1, 1.0):
        for _ in range(100):
            assert cost(ours + scale * random.normal(size=w.shape)) > cost(ours)


@pytest.mark.parametrize("groups", GROUPS)
def test_groups_with_no_length_left_are_exactly_zero(groups):
    w = draw(4, 3, 2)
    gone = members(groups)[0]
    w.ravel()[gone] *= 0.01
    ours = shrunk(w, strength=1.0, groups=groups).ravel()
    assert not ours[gone].any()
    assert ours.any()
    assert not shrunk(np.zeros((4, 3, 2)), strength=1.0, groups=groups).any()


def test_groups_of_one_weight_are_the_soft_threshold():
    w = draw(6, 1, 1)
    assert_allclose(shrunk(w, strength=5.0, groups="rows"), SoftThreshold.vanilla(w, strength=5.0, lr=LR), atol=1e-15)


def test_in_a_linear_layer_columns_and_channels_are_the_same():
    w = draw(4, 3, 1)
    columns, channels = (shrunk(w, strength=3.0, groups=groups) for groups in ("columns", "channels"))
    assert np.array_equal(columns, channels)


def test_a_linear_network_trained_by_sgd_reaches_the_multi_task_lasso():
    random = np.random.default_rng(0)
    x, outputs, strength = random.normal(size=(200, 8)), 3, 0.4
    needed = np.where(np.arange(8) < 3, random.normal(size=(outputs, 8)), 0.0)
    y = x @ needed.T + 0.1 * random.normal(size=(200, outputs))
    w = np.zeros((outputs, 8, 1))
    for _ in range(1000):
        g = 2 * (x @ w[..., 0].T - y).T @ x / len(x)
        w = GroupSoftThreshold.vanilla(w - LR * g[..., None], strength=strength, lr=LR, groups="columns")
    alpha = strength * outputs**0.5 / 2
    lasso = MultiTaskLasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(x, y).coef_
    assert_allclose(w[..., 0], lasso, atol=1e-6)
    assert (w == 0).all(0).ravel().tolist() == [False] * 3 + [True] * 5


def test_behind_the_soft_threshold_it_is_the_sparse_group_lasso():
    w, alone, together = draw(4, 5, 1), 2.0, 1.0
    random = np.random.default_rng(1)

    def cost(v):
        lengths = 5**0.5 * np.linalg.norm(v, axis=1).sum()
        return ((v - w) ** 2).sum() / 2 + LR * (alone * np.abs(v).sum() + together * lengths)

    ours = shrunk(SoftThreshold.vanilla(w, strength=alone, lr=LR), strength=together, groups="rows")
    assert 0 < (ours == 0).sum() < ours.size
    for scale in (1e-3, 1e-1, 1.0):
        for _ in range(100):
            assert cost(ours + scale * random.normal(size=w.shape)) > cost(ours)


def test_unknown_groups_are_refused():
    with pytest.raises(ValueError, match="groups must be one of rows, columns, channels, got 'layers'"):
        GroupSoftThreshold.vanilla(draw(4, 3, 2), strength=1.0, lr=LR, groups="layers")
