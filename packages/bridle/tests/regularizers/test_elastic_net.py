"""What ElasticNet's card claims: L1 at one end, L2 at the other, scikit-learn's and Keras's numbers between."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet as Reference
from sklearn.preprocessing import StandardScaler

from bridle import L1, L2, ElasticNet

W = np.random.default_rng(0).normal(size=(4, 3))


@pytest.mark.parametrize(("ratio", "end"), [(1.0, L1), (0.0, L2)])
def test_the_ends_are_l1_and_l2(ratio, end):
    penalty, gradient = ElasticNet.vanilla(W, strength=0.3, ratio=ratio)
    assert penalty == pytest.approx(end.vanilla(W, strength=0.3)[0])
    assert_allclose(gradient, end.vanilla(W, strength=0.3)[1])


def test_the_penalty_is_that_of_keras():
    strength, ratio = 0.2, 0.7
    l1, l2 = strength * ratio, strength * (1 - ratio)
    keras = l1 * np.sum(np.absolute(W)) + l2 * np.sum(np.square(W))  # keras.regularizers.L1L2
    assert ElasticNet.vanilla(W, strength=strength, ratio=ratio)[0] == pytest.approx(keras)


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.9])
def test_the_minimum_is_scikit_learns_at_the_cards_conversion(ratio):
    strength = 10.0
    x, y = load_diabetes(return_X_y=True)
    x, y = StandardScaler().fit_transform(x), y - y.mean()
    alpha, l1_ratio = strength * (1 - ratio / 2), ratio / (2 - ratio)
    w = Reference(alpha=alpha, l1_ratio=l1_ratio, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(x, y).coef_
    total = 2 * x.T @ (x @ w - y) / len(x) + ElasticNet.vanilla(w, strength=strength, ratio=ratio)[1]
    alive = w != 0
    assert alive.any()
    assert_allclose(total[alive], 0, atol=1e-7)
    assert (abs(total[~alive]) <= strength * ratio).all()


def test_two_inputs_that_say_the_same_are_cheapest_in_equal_shares():
    shares = np.linspace(0, 1, 11)
    costs = [ElasticNet.vanilla(np.array([share, 1 - share]), strength=1.0, ratio=0.9)[0] for share in shares]
    assert shares[np.argmin(costs)] == pytest.approx(0.5)
