"""What L2ToInit's card claims: L2 around another point, the published numbers, and weights that stay."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from bridle import L2, L2ToInit

W, INITIAL = np.random.default_rng(0).normal(size=(2, 4, 3))


def test_it_is_l2_of_the_way_from_the_start():
    penalty, gradient = L2ToInit.vanilla(W, INITIAL, strength=0.3)
    expected, expected_gradient = L2.vanilla(W - INITIAL, strength=0.3)
    assert penalty == pytest.approx(expected)
    assert_allclose(gradient, expected_gradient)


def test_from_zero_it_is_l2():
    assert L2ToInit.vanilla(W, np.zeros_like(W), strength=0.3)[0] == pytest.approx(L2.vanilla(W, strength=0.3)[0])


def test_the_alpha_of_l2_sp_is_twice_the_strength_and_the_lambda_of_l2_init_the_strength():
    ours = L2ToInit.vanilla(W, INITIAL, strength=0.3)[0]
    assert ours == pytest.approx(2 * 0.3 / 2 * np.linalg.norm(W - INITIAL) ** 2)
    assert ours == pytest.approx(0.3 * np.linalg.norm(W - INITIAL) ** 2)


def test_at_the_start_nothing_pulls():
    w = torch.from_numpy(W)
    g = torch.from_numpy(INITIAL)
    assert torch.equal(L2ToInit.add_gradient(g, w, w, strength=0.3), g)


def test_the_minimum_is_ridge_on_what_the_start_leaves_unexplained():
    random, strength = np.random.default_rng(1), 0.3
    x, y, start = random.normal(size=(20, 5)), random.normal(size=20), random.normal(size=5)
    moved = Ridge(alpha=strength * len(x), fit_intercept=False, tol=1e-12).fit(x, y - x @ start).coef_
    w = start + moved
    total = 2 * x.T @ (x @ w - y) / len(x) + L2ToInit.vanilla(w, start, strength=strength)[1]
    assert_allclose(total, 0, atol=1e-10)


def test_where_the_data_say_nothing_a_weight_stays_while_l2_forgets_it():
    start = w = plain = np.array([1.5, -0.5])
    for _ in range(500):
        data = (
            np.array([2 * (w[0] - 3), 0.0]),
            np.array([2 * (plain[0] - 3), 0.0]),
        )  # the data know the first weight only
        w = w - 0.1 * (data[0] + L2ToInit.vanilla(w, start, strength=0.1)[1])
        plain = plain - 0.1 * (data[1] + L2.vanilla(plain, strength=0.1)[1])
    assert w[1] == start[1]
    assert abs(plain[1]) < 0.01


def test_a_small_move_is_seen_in_float32():
    start = torch.full((3,), 1000.0)
    w = start + 0.0625  # exact; expanding the square would lose it
    assert L2ToInit.torch(w, start, strength=1.0).item() == 3 * 0.0625**2
    assert L2ToInit.add_gradient(torch.zeros(3), w, start, strength=1.0).tolist() == [0.125] * 3
