"""What NonNegative's card claims: Keras's and scikit-learn's results, and a network that rises in every input."""

import numpy as np
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from bridle import NonNegative


def test_it_is_the_constraint_of_keras():
    w = np.random.default_rng(0).normal(size=(20, 30))
    assert np.array_equal(NonNegative.vanilla(w), w * (w >= 0))
    assert np.array_equal(NonNegative.torch(torch.from_numpy(w)).numpy(), w * (w >= 0))


def test_with_gradient_descent_a_linear_network_reaches_non_negative_least_squares():
    x, y = load_diabetes(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    w, b = np.zeros(x.shape[1]), 0.0
    for _ in range(1000):
        error = x @ w + b - y
        w = NonNegative.vanilla(w - 0.1 * 2 * x.T @ error / len(x))
        b = b - 0.1 * 2 * error.mean()
    model = LinearRegression(positive=True).fit(x, y)
    assert_allclose(w, model.coef_, atol=1e-6)
    assert 0 < (w == 0).sum() < len(w)
    free = LinearRegression().fit(x, y).coef_
    assert (free < 0).any()


def test_the_network_rises_in_every_input():
    random = torch.Generator().manual_seed(0)
    layers = [
        torch.randn(6, 4, generator=random),
        torch.randn(6, 6, generator=random),
        torch.randn(1, 6, generator=random),
    ]

    def slopes(weights):
        x = torch.randn(100, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
        out = (torch.relu(torch.tanh(x @ weights[0].T) @ weights[1].T + 0.1) @ weights[2].T).sum()
        return torch.autograd.grad(out, x)[0]

    assert slopes(layers).min() < -0.01
    assert slopes([NonNegative.torch(w) for w in layers]).min() >= 0


def test_a_weight_that_is_no_number_stays_none():
    assert NonNegative.torch(torch.tensor([float("nan")])).isnan().all()
    assert np.isnan(NonNegative.vanilla(np.array([np.nan]))).all()
