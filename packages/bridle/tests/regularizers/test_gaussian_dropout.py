"""What GaussianDropout's card claims: the moments of dropout's factors, Keras's formula, no silent unit."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import Dropout, GaussianDropout
from bridle.seeded_draws import TICKS, normal_quantiles

RATES = (0.1, 0.5, 0.8)
ROWS, UNITS = 500, 200


def noisy(rate, h, noise):
    """Both forms."""
    ours = GaussianDropout.vanilla(h, noise, rate=rate)[0]
    theirs = GaussianDropout.torch(torch.from_numpy(h), torch.from_numpy(noise), rate=rate).numpy()
    return ours, theirs


@pytest.mark.parametrize("rate", RATES)
def test_the_factors_have_the_mean_and_the_variance_of_dropouts(rate):
    every_tick = (np.arange(TICKS) + 0.5) / TICKS
    of_dropout = Dropout.vanilla(np.ones(TICKS), every_tick, rate=rate)[0]
    for factors in noisy(rate, np.ones(TICKS), normal_quantiles()):
        assert factors.mean() == pytest.approx(1, abs=1e-12)
        assert factors.std() == pytest.approx(math.sqrt(rate / (1 - rate)), rel=1e-12)
        assert factors.mean() == pytest.approx(of_dropout.mean(), rel=1e-4)
        assert factors.std() == pytest.approx(of_dropout.std(), rel=1e-3)


@pytest.mark.parametrize("rate", RATES)
def test_the_mean_is_kept(rate):
    noise = np.random.default_rng(3).normal(size=(ROWS, UNITS))
    deviation = math.sqrt(rate / (1 - rate) / noise.size)
    for out in noisy(rate, np.ones((ROWS, UNITS)), noise):
        assert abs(out.mean() - 1) < 5 * deviation


@pytest.mark.parametrize("rate", RATES)
def test_keras_multiplies_by_the_same_numbers(rate):
    random = np.random.default_rng(0)
    h, standard = random.normal(size=(2, 30, 20))
    theirs = h * (1.0 + math.sqrt(rate / (1.0 - rate)) * standard)  # random.normal(mean=1, stddev=...) there
    for ours in noisy(rate, h, standard):
        assert_allclose(ours, theirs, rtol=1e-14)


def test_at_a_rate_of_a_half_one_factor_in_six_is_negative():
    factors = noisy(0.5, np.ones(TICKS), normal_quantiles())[0]
    assert (factors < 0).mean() == pytest.approx(0.1587, abs=1e-4)  # of a normal number below -1


def test_every_unit_gets_a_gradient():
    noise = np.random.default_rng(3).normal(size=(ROWS, UNITS))
    backward = GaussianDropout.vanilla(np.ones((ROWS, UNITS)), noise, rate=0.5)[1]
    assert backward(np.ones((ROWS, UNITS)))[0].all()


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.99])
def test_evaluation_returns_the_very_same_activations(rate):
    unit = GaussianDropout(rate=rate)
    for h in (np.ones((2, 3)), torch.ones(2, 3)):
        assert unit.evaluate(h, **unit.numbers()) is h


def test_the_variance_that_a_batch_norm_behind_it_would_remember_is_too_large():
    random = np.random.default_rng(0)
    h, noise = random.normal(2.0, 1.0, size=(ROWS, UNITS)), random.normal(size=(ROWS, UNITS))
    out = noisy(0.5, h, noise)[0]
    # E[h²] / (1 - rate) - E[h]² = 5 / 0.5 - 4 = 6, where evaluation meets a variance of 1
    assert out.var() == pytest.approx(6.0, rel=0.05)


def test_a_factor_below_the_resolution_of_bfloat16_is_taken_in_before_rounding():
    h = torch.full((1, 1), 1.5, dtype=torch.bfloat16)
    out = GaussianDropout.torch(h, torch.tensor([[0.0078]]), rate=0.2)  # a factor of 1.0039, or 1 in bfloat16
    assert out.dtype == torch.bfloat16
    assert out.item() == 1.5078125
