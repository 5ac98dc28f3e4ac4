"""What Dropout's card claims: the mean stays, survivors are scaled, the rate is exact, evaluation is untouched."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import Dropout
from bridle.seeded_draws import TICKS, Noise

RATES = (0.1, 0.2, 0.5, 0.9)
ROWS, UNITS = 500, 200
SPREAD = 5  # standard deviations of the binomial that a count may be off: one sound seed in two million fails


def dropped(rate, h):
    """Both forms on the noise of a run."""
    noise = Noise(seed=3).uniform(0, *h.shape)
    ours = Dropout.vanilla(h, noise, rate=rate)[0]
    theirs = Dropout.torch(torch.from_numpy(h), torch.from_numpy(noise), rate=rate).numpy()
    return ours, theirs


@pytest.mark.parametrize("rate", RATES)
def test_the_fraction_dropped_is_the_rate_to_one_tick(rate):
    chance = math.ceil(rate * TICKS) / TICKS  # of a draw below the rate
    assert abs(chance - rate) < 1 / TICKS
    deviation = math.sqrt(chance * (1 - chance) / (ROWS * UNITS))
    for out in dropped(rate, np.ones((ROWS, UNITS))):
        assert abs((out == 0).mean() - chance) < SPREAD * deviation


@pytest.mark.parametrize("rate", RATES)
def test_the_mean_is_kept(rate):
    deviation = math.sqrt(rate / (1 - rate) / (ROWS * UNITS))  # of the mean of Bernoulli(1 - rate) / (1 - rate)
    for out in dropped(rate, np.ones((ROWS, UNITS))):
        assert abs(out.mean() - 1) < SPREAD * deviation + 1 / TICKS / (1 - rate)


@pytest.mark.parametrize("rate", RATES)
def test_survivors_are_scaled_by_one_over_the_rest(rate):
    h = np.random.default_rng(0).normal(size=(ROWS, UNITS))
    for out in dropped(rate, h):
        stays = out != 0
        assert 0 < stays.sum() < stays.size
        assert_allclose(out[stays], h[stays] / (1 - rate), rtol=1e-15)


@pytest.mark.parametrize("rate", RATES)
def test_torchs_own_layer_does_the_same_with_the_same_units(rate):
    h = torch.randn(ROWS, UNITS, generator=torch.Generator().manual_seed(0)).double()
    torch.manual_seed(1)
    theirs = torch.nn.Dropout(rate)(h)
    noise = (theirs != 0).double() * 0.999
    assert_allclose(Dropout.torch(h, noise, rate=rate), theirs, rtol=1e-14)


def test_a_draw_equal_to_the_rate_stays():
    noise = np.array([[0.25, np.nextafter(0.25, 0)]])
    assert Dropout.vanilla(np.ones((1, 2)), noise, rate=0.25)[0].tolist() == [[1 / 0.75, 0.0]]


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.99])
def test_evaluation_returns_the_very_same_activations(rate):
    unit = Dropout(rate=rate)
    for h in (np.ones((2, 3)), torch.ones(2, 3)):
        assert unit.evaluate(h, **unit.settings(numbers=True)) is h


def test_dropped_units_get_no_gradient():
    noise = np.array([[0.1, 0.6]])
    backward = Dropout.vanilla(np.ones((1, 2)), noise, rate=0.5)[1]
    assert backward(np.ones((1, 2)))[0].tolist() == [[0.0, 2.0]]


def test_a_rate_near_one_stays_finite_in_bfloat16():
    h = torch.ones(1, 2, dtype=torch.bfloat16)
    out = Dropout.torch(h, torch.tensor([[0.5, 0.9995]]), rate=0.999)
    assert out[0, 0] == 0
    assert out[0, 1].item() == pytest.approx(1000, rel=0.01)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_dropping_a_unit_does_not_hide_that_a_network_has_diverged():
    h, noise = np.array([[np.inf, np.nan]]), np.zeros((1, 2))
    assert np.isnan(Dropout.vanilla(h, noise, rate=0.5)[0]).all()
    assert Dropout.torch(torch.from_numpy(h), torch.from_numpy(noise), rate=0.5).isnan().all()


def test_dropout_raises_the_variance_that_a_batch_norm_behind_it_would_remember():
    h = np.random.default_rng(0).normal(2.0, 1.0, size=(ROWS, UNITS))
    ours, _ = dropped(0.5, h)
    # E[h²] / (1 - rate) - E[h]² = 5 / 0.5 - 4 = 6, where evaluation meets a variance of 1
    assert ours.var() == pytest.approx(6.0, rel=0.05)
    assert h.var() == pytest.approx(1.0, rel=0.05)
