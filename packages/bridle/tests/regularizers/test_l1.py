"""What L1's card claims: the lasso, the conversions of its strength, and that plain training never reaches zero."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso
from sklearn.preprocessing import StandardScaler

from bridle import L1

STRENGTH = 20.0
WEIGHTS = 200


@pytest.fixture(scope="module")
def diabetes():
    """442 patients with 10 standardized measurements, and the progression of their disease."""
    x, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(x), y - y.mean()


@pytest.fixture(scope="module")
def few_of_many():
    """100 rows of 200 inputs, of which five matter."""
    random = np.random.default_rng(0)
    x = random.normal(size=(100, WEIGHTS))
    return x, x[:, :5] @ np.array([3.0, -2.0, 2.0, 1.0, -1.0]) + 0.1 * random.normal(size=100)


def data_gradient(x, y, w):
    """Of the mean squared error."""
    return 2 * x.T @ (x @ w - y) / len(x)


def test_the_minimum_is_scikit_learns_lasso_at_half_the_strength(diabetes):
    w = Lasso(alpha=STRENGTH / 2, fit_intercept=False, tol=1e-12).fit(*diabetes).coef_
    alive = w != 0
    assert 0 < alive.sum() < len(w)
    x, y = diabetes
    total = data_gradient(x, y, w) + L1.vanilla(w, strength=STRENGTH)[1]
    assert_allclose(total[alive], 0, atol=1e-8)
    assert (abs(total[~alive]) <= STRENGTH).all()  # the data pull less than the penalty would


def test_the_penalty_is_that_of_keras():
    w = np.random.default_rng(0).normal(size=(4, 3))
    assert L1.vanilla(w, strength=0.1)[0] == pytest.approx(0.1 * np.sum(np.absolute(w)))  # keras.regularizers.L1


def test_a_weight_of_zero_is_left_there_if_the_data_leave_it():
    w = torch.tensor([0.0, -0.0, 1e-30, -1e-30], requires_grad=True)
    L1.torch(w, strength=0.5).backward()
    assert w.grad is not None and w.grad.tolist() == [0.0, 0.0, 0.5, -0.5]
    assert L1.add_gradient(torch.zeros(4), w.detach(), strength=0.5).tolist() == w.grad.tolist()


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_training_makes_no_weight_exactly_zero_where_the_minimum_has_almost_nothing_else(few_of_many, optimizer):
    at_the_minimum = Lasso(alpha=0.1, fit_intercept=False).fit(*few_of_many).coef_
    assert (at_the_minimum == 0).sum() > 0.8 * WEIGHTS
    x, y = (torch.tensor(each, dtype=torch.float32) for each in few_of_many)
    w = torch.zeros(WEIGHTS).uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(0)).requires_grad_()
    steps = optimizer([w], lr=0.01)
    for _ in range(400):
        steps.zero_grad()
        ((x @ w - y).square().mean() + L1.torch(w, strength=0.2)).backward()
        steps.step()
    assert (w == 0).sum() == 0
    small = w.detach().abs().numpy() < 0.05
    assert (small & (at_the_minimum == 0)).sum() > 0.7 * WEIGHTS  # very small they are


def test_of_two_inputs_that_say_the_same_any_share_costs_the_same():
    penalties = [L1.vanilla(np.array([share, 1 - share]), strength=1.0)[0] for share in (0.0, 0.3, 1.0)]
    assert_allclose(penalties, 1.0)
