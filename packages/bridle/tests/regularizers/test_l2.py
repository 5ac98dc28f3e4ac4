"""What L2's card claims: ridge regression, the notebook's norms, and the conversions of its strength."""

import math
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from bridle import L2
from bridle.parameter_selection import acts_on

STRENGTH = 0.1


@pytest.fixture(scope="module")
def diabetes():
    """442 patients with 10 standardized measurements, and the progression of their disease."""
    x, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(x), y


def ridge(data, strength):
    """scikit-learn's solution for the same cost: its squares are summed over the rows, ours are averaged."""
    x, y = data
    model = Ridge(alpha=strength * len(x), tol=1e-12).fit(x, y)
    return model.coef_, model.intercept_


def test_a_linear_network_trained_by_autograd_reaches_ridge(diabetes):
    x, y = map(torch.from_numpy, diabetes)
    network = torch.nn.Linear(x.shape[1], 1).double()
    unit = L2(strength=STRENGTH)
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=500, tolerance_grad=1e-12, tolerance_change=0)

    def cost():
        optimizer.zero_grad()
        chosen = [w for name, w in network.named_parameters() if acts_on(unit.on, name, w.ndim)]
        penalty = sum(unit.torch(w, **unit.settings(numbers=True)) for w in chosen)
        total = (network(x).squeeze(1) - y).square().mean() + penalty
        total.backward()
        return total

    optimizer.step(cost)
    coefficients, intercept = ridge(diabetes, STRENGTH)
    assert_allclose(network.weight.detach()[0], coefficients, atol=1e-6)
    assert network.bias.item() == pytest.approx(intercept, abs=1e-6)


def test_a_linear_network_trained_by_hand_reaches_ridge(diabetes):
    x, y = diabetes
    w, b = np.zeros(x.shape[1]), 0.0
    for _ in range(2000):
        error = x @ w + b - y
        w = w - 0.1 * (2 * x.T @ error / len(x) + L2.vanilla(w, strength=STRENGTH)[1])
        b = b - 0.1 * 2 * error.mean()
    coefficients, intercept = ridge((x, y), STRENGTH)
    assert_allclose(w, coefficients, atol=1e-6)
    assert b == pytest.approx(intercept, abs=1e-6)


def test_ridge_is_the_closed_form_with_a_free_intercept(diabetes):
    x, y = diabetes
    n = len(x)
    closed = np.linalg.solve(x.T @ x / n + STRENGTH * np.eye(x.shape[1]), x.T @ (y - y.mean()) / n)
    coefficients, intercept = ridge((x, y), STRENGTH)
    assert_allclose(closed, coefficients, atol=1e-9)
    assert intercept == pytest.approx(y.mean())


def test_more_strength_makes_smaller_weights(diabetes):
    lengths = [np.linalg.norm(ridge(diabetes, strength)[0]) for strength in (0.0, 0.01, 0.1, 1.0, 10.0)]
    assert lengths == sorted(lengths, reverse=True)


def test_the_norms_of_the_notebook():
    t = torch.tensor([3.0, 4.0])
    assert torch.norm(t) == 5 == math.sqrt(3**2 + 4**2)
    assert L2.torch(t, strength=0.001).item() == pytest.approx(0.001 * 25)
    assert L2.torch(t, strength=0.001).item() == pytest.approx(0.001 * torch.norm(t).item() ** 2)
    assert L2.vanilla(t.double().numpy(), strength=0.001)[0] == pytest.approx(0.025)


def test_the_weight_decay_of_the_notebook_changes_not_one_gradient():
    # Adam(weight_decay=1e-15) there: L2(strength=5e-16). At gradients of 1e-6 and more, float32 does not notice.
    random = torch.Generator().manual_seed(0)
    g, w = (torch.randn(100_000, generator=random) for _ in range(2))
    g = torch.where(g.abs() < 1e-6, 1e-6, g)
    assert torch.equal(L2.add_gradient(g, w, strength=0.5e-15), g)


def test_the_gradient_is_the_weight_decay_of_torch_at_twice_the_strength():
    w = torch.nn.Parameter(torch.tensor([3.0, -4.0], dtype=torch.float64))
    w.grad = torch.zeros_like(w)
    torch.optim.SGD([w], lr=1.0, weight_decay=2 * STRENGTH).step()
    ours = torch.tensor([3.0, -4.0], dtype=torch.float64)
    assert_allclose(w.detach(), ours - L2.add_gradient(torch.zeros(2), ours, strength=STRENGTH))


def first_step(alpha, lr):
    """The input weights of scikit-learn's classifier after one full-batch step of plain SGD."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(20, 4)), np.arange(20) % 2
    plain = {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False, "shuffle": False}
    model = MLPClassifier((3,), alpha=alpha, batch_size=20, learning_rate_init=lr, max_iter=1, random_state=0, **plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # one step is what is asked for
        return model.fit(x, y).coefs_[0]


def test_the_alpha_of_scikit_learns_networks_is_twice_the_strength_times_the_batch():
    start = first_step(alpha=0.0, lr=1e-300)
    moved = first_step(alpha=2 * STRENGTH * 20, lr=0.1) - first_step(alpha=0.0, lr=0.1)
    assert_allclose(moved, -0.1 * L2.vanilla(start, strength=STRENGTH)[1], rtol=1e-9)
