"""What SoftThreshold's card claims: the proximal step of L1, scikit-learn's lasso, exact zeros where L1 leaves none."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso
from sklearn.preprocessing import StandardScaler

from bridle import SoftThreshold

STRENGTH, LR = 10.0, 0.1


@pytest.fixture(scope="module")
def diabetes():
    """442 patients with 10 standardized measurements, and the progression of their disease, centered."""
    x, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(x), y - y.mean()


def test_it_is_torchs_softshrink():
    w = torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs = torch.nn.functional.softshrink(w, LR * 5)
    assert_allclose(SoftThreshold.torch(w, strength=5.0, lr=LR), theirs, rtol=1e-13, atol=1e-16)
    assert_allclose(SoftThreshold.vanilla(w.numpy(), strength=5.0, lr=LR), theirs, rtol=1e-13, atol=1e-16)


def test_it_is_the_proximal_step():
    grid = np.linspace(-3, 3, 60_001)
    for w in (-2.0, -0.3, 0.0, 0.4, 0.6, 2.5):
        cost = (grid - w) ** 2 / 2 + LR * 5 * np.abs(grid)
        assert SoftThreshold.vanilla(np.array(w), strength=5.0, lr=LR) == pytest.approx(grid[cost.argmin()], abs=1e-4)


def descended(data, strength, momentum=0.0):
    """Full-batch gradient descent on the mean squared error, thresholded behind each update."""
    x, y = data
    w = velocity = np.zeros(x.shape[1])
    for _ in range(3000):
        velocity = momentum * velocity + 2 * x.T @ (x @ w - y) / len(x)
        w = SoftThreshold.vanilla(w - LR * velocity, strength=strength, lr=LR)
    return w


def test_a_linear_network_trained_by_sgd_reaches_the_lasso(diabetes):
    w = descended(diabetes, STRENGTH)
    lasso = Lasso(alpha=STRENGTH / 2, tol=1e-12, max_iter=100_000).fit(*diabetes).coef_
    assert_allclose(w, lasso, atol=1e-6)
    assert np.array_equal(w == 0, lasso == 0)
    assert 0 < (w == 0).sum() < len(w)


def test_momentum_asks_for_a_larger_strength(diabetes):
    assert_allclose(descended(diabetes, STRENGTH / (1 - 0.5), momentum=0.5), descended(diabetes, STRENGTH), atol=1e-6)


def sparse_problem(step):
    """200 weights, of which the data need 10, after 500 steps."""
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 200))
    y = x[:, :10] @ np.full(10, 2.0) + 0.1 * random.normal(size=400)
    w = random.normal(size=200)
    for _ in range(500):
        w = step(w, 2 * x.T @ (x @ w - y) / len(x))
    return w


def test_there_are_exact_zeros_where_the_gradient_of_l1_leaves_none():
    coupled = sparse_problem(lambda w, g: w - LR * (g + 0.3 * np.sign(w)))
    proximal = sparse_problem(lambda w, g: SoftThreshold.vanilla(w - LR * g, strength=0.3, lr=LR))
    assert (coupled == 0).sum() == 0
    assert (proximal == 0).sum() >= 180
    assert (proximal[:10] > 1.5).all()


def away_from_zero(optimizer, strength):
    """A weight that starts at 0 and has a gradient of -100 throughout, after 50 steps."""
    w = torch.nn.Parameter(torch.zeros(1))
    steps = optimizer([w], lr=0.01)
    for _ in range(50):
        w.grad = torch.tensor([-100.0])
        steps.step()
        SoftThreshold.torch(w.detach(), strength=strength, lr=0.01, out=w.detach())
    return w.item()


def test_under_adam_strengths_of_one_and_more_hold_back_every_weight():
    assert away_from_zero(torch.optim.SGD, 1.5) > 40
    assert away_from_zero(torch.optim.Adam, 0.5) > 0.2
    assert away_from_zero(torch.optim.Adam, 1.5) == 0


def test_the_average_of_sparse_weights_is_less_sparse():
    random = np.random.default_rng(0)
    path = [SoftThreshold.vanilla(random.normal(size=200), strength=10.0, lr=LR) for _ in range(10)]
    assert min((w == 0).sum() for w in path) > 100
    assert (np.mean(path, 0) == 0).sum() < 20
