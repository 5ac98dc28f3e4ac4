"""What ActivationNoise's card claims: the spread, its place behind a norm, and how a network gets away from it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import ActivationNoise, BatchNorm, Recipe
from bridle.places import RunningStatistics
from bridle.seeded_draws import TICKS, normal_quantiles
from bridle.sites import hidden_site, layers_at


def noisy(spread, h, noise):
    """Both forms."""
    ours = ActivationNoise.vanilla(h, noise, spread=spread)[0]
    theirs = ActivationNoise.torch(torch.from_numpy(h), torch.from_numpy(noise), spread=spread).numpy()
    return ours, theirs


@pytest.mark.parametrize("spread", [0.03, 0.3, 3.0])
def test_the_spread_is_the_standard_deviation(spread):
    for out in noisy(spread, np.ones(TICKS), normal_quantiles()):
        assert (out - 1).std() == pytest.approx(spread, rel=1e-12)
        assert out.mean() == pytest.approx(1, abs=1e-12)


def test_keras_adds_the_same_numbers():
    random = np.random.default_rng(0)
    h, standard = random.normal(size=(2, 30, 20))
    for ours in noisy(0.3, h, standard):
        assert_allclose(ours, h + 0.3 * standard, rtol=1e-14)  # random.normal(mean=0, stddev=0.3) there


def test_it_acts_behind_the_norm_that_comes_before_it_in_the_recipe_and_before_the_activation():
    layers = [each.layer for each in layers_at(Recipe.parse("BatchNorm + ActivationNoise"), hidden_site(1, "a", "b"))]
    assert [type(layer) for layer in layers] == [BatchNorm, ActivationNoise]
    assert all(layer.before_activation for layer in layers)


def test_without_a_norm_larger_weights_leave_the_noise_behind():
    # relu(c·h + n) / c = relu(h + n / c): a layer that grows by c, and a next one that shrinks by it.
    random = np.random.default_rng(0)
    h, noise = random.normal(size=(2, 30, 20))
    large = np.maximum(noisy(0.3, 8 * h, noise)[0], 0) / 8
    assert_allclose(large, np.maximum(noisy(0.3 / 8, h, noise)[0], 0), rtol=1e-12)


def test_behind_a_norm_larger_weights_do_not():
    random = np.random.default_rng(0)
    h, noise = random.normal(size=(2, 30, 20))
    ones, zeros = np.ones(20), np.zeros(20)
    small, large = (
        noisy(
            0.3,
            BatchNorm.vanilla(scale * h, ones, zeros, RunningStatistics(zeros, ones), momentum=0.1, eps=0.0)[0],
            noise,
        )[0]
        for scale in (1, 8)
    )
    assert_allclose(small, large, rtol=1e-10)


def test_a_unit_that_saturates_does_not_hear_it():
    heard = [np.tanh(noisy(0.3, np.full(TICKS, h), normal_quantiles())[0]).std() for h in (0.0, 3.0)]
    assert heard[0] > 0.25
    assert heard[1] < 0.01


def test_a_norm_behind_it_remembers_a_variance_that_is_too_large_by_the_spreads_square():
    h, noise = np.random.default_rng(0).normal(size=(2, 500, 200))
    assert noisy(2.0, h, noise)[0].var() == pytest.approx(1 + 2.0**2, rel=0.02)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_evaluation_returns_the_very_same_activations(spread):
    unit = ActivationNoise(spread=spread)
    for h in (np.ones((2, 3)), torch.ones(2, 3)):
        assert unit.evaluate(h, **unit.numbers()) is h


def test_noise_is_rounded_to_bfloat16_only_with_the_sum():
    h = torch.full((1, 1), 256.0, dtype=torch.bfloat16)  # its neighbor is 258; 1.003 alone would become 1
    out = ActivationNoise.torch(h, torch.tensor([[0.5015]]), spread=2.0)
    assert out.dtype == torch.bfloat16
    assert out.item() == 258
