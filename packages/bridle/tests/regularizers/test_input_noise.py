"""What InputNoise's card claims: L2 on a linear network, and a penalty on the derivatives of any other."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import L2, InputNoise

FEATURES = 6


def noise_of_mean_zero_and_covariance_one(rows):
    """Noise whose averages are exactly those of the normal law, up to the second: ±√d along each axis, for each row."""
    steps = np.sqrt(FEATURES) * np.eye(FEATURES)
    return np.tile(np.concatenate([steps, -steps]), (rows, 1))


def average_loss(network, x, y, spread):
    """The mean squared error under noise, averaged over the noise."""
    times = 2 * FEATURES
    noise = noise_of_mean_zero_and_covariance_one(len(x))
    noisy, targets = InputNoise.vanilla(x.repeat(times, 0), y.repeat(times, 0), noise, spread=spread)
    return np.mean((network(noisy) - targets[:, 0]) ** 2)


@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_a_linear_network_pays_what_l2_costs_at_the_square_of_the_spread(spread):
    random = np.random.default_rng(0)
    x, y, w = random.normal(size=(20, FEATURES)), random.normal(size=(20, 1)), random.normal(size=FEATURES)
    penalty = average_loss(lambda rows: rows @ w + 0.3, x, y, spread) - np.mean((x @ w + 0.3 - y[:, 0]) ** 2)
    assert_allclose(penalty, L2.vanilla(w, strength=spread**2)[0], rtol=1e-10)


def test_any_network_that_fits_its_rows_pays_the_square_of_its_derivatives():
    random = np.random.default_rng(0)
    x, w = random.normal(size=(20, FEATURES)), random.normal(size=FEATURES)
    network = lambda rows: np.tanh(rows @ w)  # noqa: E731
    slopes = (1 - network(x) ** 2)[:, None] * w
    penalty = average_loss(network, x, network(x)[:, None], 1e-4)
    assert_allclose(penalty, 1e-8 * (slopes**2).sum(1).mean(), rtol=1e-5)


def test_the_spread_is_the_standard_deviation():
    noise = np.random.default_rng(0).normal(size=(500, 200))
    moved = InputNoise.vanilla(np.ones((500, 200)), np.ones((500, 1)), noise, spread=0.3)[0] - 1
    assert moved.std() == pytest.approx(0.3, abs=5 * 0.3 / np.sqrt(2 * moved.size))
    assert moved.mean() == pytest.approx(0, abs=5 * 0.3 / np.sqrt(moved.size))


def test_targets_are_left_as_they_are():
    x, y = torch.ones(4, 3), torch.eye(4)
    assert InputNoise.torch(x, y, torch.randn(4, 3), spread=1.0)[1] is y
