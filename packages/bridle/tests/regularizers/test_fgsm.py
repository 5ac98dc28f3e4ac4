"""What FGSM's card claims: the worst step of its size for a linear network, and the paper's mixed loss on average."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import FGSM
from bridle.seeded_draws import TICKS, Noise

RADIUS = 0.25


@pytest.fixture
def linear():
    """Rows, labels ±1, and the weights and bias of a logistic regression."""
    random = np.random.default_rng(0)
    return random.normal(size=(12, 6)), random.choice([-1.0, 1.0], size=(12, 1)), random.normal(size=(6, 1)), 0.3


def loss(x, y, w, b):
    """softplus(-y (x w + b)) for each row, (batch, 1)."""
    return np.logaddexp(0, -y * (x @ w + b))


def adversarial(x, y, w, b):
    """All rows moved; the slope by hand."""
    slope = -y / (1 + np.exp(y * (x @ w + b))) * w.T
    return FGSM.vanilla(x, y, np.zeros((len(x), 1)), slope, radius=RADIUS, share=1.0)[0]


def test_a_linear_network_pays_the_sum_of_its_absolute_weights_before_the_loss(linear):
    x, y, w, b = linear
    theirs = np.logaddexp(0, RADIUS * abs(w).sum() - y * (x @ w + b))  # section 5 of the paper
    assert_allclose(loss(adversarial(x, y, w, b), y, w, b), theirs)


def test_no_other_step_of_that_size_hurts_a_linear_network_more(linear):
    x, y, w, b = linear
    worst = loss(adversarial(x, y, w, b), y, w, b)
    for step in np.random.default_rng(1).uniform(-RADIUS, RADIUS, size=(200, *x.shape)):
        assert (loss(x + step, y, w, b) <= worst).all()


def test_on_average_over_the_noise_the_loss_is_the_papers(linear):
    x, y, w, b = linear
    slope, share = torch.from_numpy(-y * w.T), 0.25
    outcomes = np.arange(0, TICKS, 4096) / TICKS  # every quarter alike often
    average = 0
    for noise in outcomes:
        drawn = torch.full((len(x), 1), noise)
        moved = FGSM.torch(torch.from_numpy(x), torch.from_numpy(y), drawn, slope, radius=RADIUS, share=share)[0]
        average = average + loss(moved.numpy(), y, w, b) / len(outcomes)
    alpha = 1 - share
    assert_allclose(average, alpha * loss(x, y, w, b) + (1 - alpha) * loss(adversarial(x, y, w, b), y, w, b))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_share_is_the_fraction_of_rows_that_are_moved(share):
    rows = 20_000
    noise = Noise(seed=0).uniform(0, rows, 1)
    moved = FGSM.vanilla(np.zeros((rows, 2)), noise, noise, np.ones((rows, 2)), radius=RADIUS, share=share)[0]
    assert set(np.unique(moved)) == {0.0, RADIUS}
    assert (moved[:, 0] == moved[:, 1]).all()
    assert (moved != 0).mean() == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / rows))


def test_every_feature_moves_by_the_radius_however_small_its_slope_but_not_without_one():
    slope = torch.tensor([[1e-30, -1e30, 0.0]])
    moved = FGSM.torch(torch.zeros(1, 3), torch.zeros(1, 1), torch.zeros(1, 1), slope, radius=0.1, share=1.0)[0]
    assert_allclose(moved, [[0.1, -0.1, 0.0]])
