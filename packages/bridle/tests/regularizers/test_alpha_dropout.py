"""What AlphaDropout's card claims: torch's and Keras's numbers, and that SELU's mean 0 and variance 1 are kept."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from bridle import AlphaDropout, Dropout, GaussianDropout, SpatialDropout
from bridle.regularizers.layer.alpha_dropout import FLOOR
from bridle.seeded_draws import Noise

RATES = (0.05, 0.1, 0.5, 0.9)


def dropped(rate, h, noise):
    """Both forms."""
    ours = AlphaDropout.vanilla(h, noise, rate=rate)[0]
    theirs = AlphaDropout.torch(torch.from_numpy(h), torch.from_numpy(noise), rate=rate).numpy()
    return ours, theirs


def standardized_with_every_draw(parts=20):
    """Units of mean 0 and variance 1, each with noise that drops exactly its share."""
    h = np.random.default_rng(0).gamma(2.0, size=(1, 50))  # of any shape: only these two moments matter
    h = (h - h.mean()) / h.std()
    return np.repeat(h, parts, 0), np.repeat((np.arange(parts)[:, None] + 0.5) / parts, 50, 1)


def test_the_floor_is_what_selu_tends_to():
    assert nn.functional.selu(torch.tensor(-1e3, dtype=torch.float64)).item() == pytest.approx(FLOOR, rel=1e-15)


@pytest.mark.parametrize("rate", RATES)
def test_mean_zero_and_variance_one_are_kept_exactly(rate):
    for out in dropped(rate, *standardized_with_every_draw()):
        assert out.mean() == pytest.approx(0, abs=1e-12)
        assert out.var() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("other", [Dropout, SpatialDropout, GaussianDropout])
def test_the_other_dropouts_change_the_variance(other):
    random = np.random.default_rng(0)
    h = random.normal(size=(500, 200))
    noise = random.normal(size=h.shape) if other.noise[0].kind == "normal" else random.uniform(size=h.shape)
    assert other.vanilla(h, noise, rate=0.1)[0].var() == pytest.approx(1 / 0.9, rel=0.02)


@pytest.mark.parametrize("rate", RATES)
def test_torchs_own_layer_does_the_same_with_the_same_units(rate):
    h = torch.randn(40, 30, generator=torch.Generator().manual_seed(0)).double()
    module = AlphaDropout(rate=rate).module(30)
    assert type(module) is nn.AlphaDropout
    torch.manual_seed(1)
    theirs = module(h)
    torch.manual_seed(1)
    drops = module(torch.full_like(h, 100.0)) < 0
    assert 0 < drops.sum() < drops.numel()
    noise = torch.where(drops, 0.0, 0.999).double()
    for ours in dropped(rate, h.numpy(), noise.numpy()):
        assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rate", RATES)
def test_keras_gives_the_same(rate):
    random = np.random.default_rng(0)
    h, noise = random.normal(size=(30, 20)), random.uniform(size=(30, 20))
    alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
    alpha_p = -alpha * scale
    kept = noise >= rate
    a = ((1 - rate) * (1 + rate * alpha_p**2)) ** -0.5
    b = -a * alpha_p * rate
    theirs = a * (h * kept + alpha_p * (1 - kept)) + b
    for ours in dropped(rate, h, noise):
        assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def through_selu_layers(drop, deviation, depth=16, units=256):
    """Activations behind so many SELU layers with a dropout behind each, in float64."""
    random, noise = np.random.default_rng(0), Noise(seed=3)
    h = random.normal(size=(units, units))
    for stream_id in range(depth):
        h = nn.functional.selu(torch.from_numpy(h @ random.normal(scale=deviation, size=(units, units)))).numpy()
        h = drop.vanilla(h, noise.uniform(stream_id, *h.shape), rate=0.1)[0]
    return h


def test_a_deep_selu_network_keeps_its_mean_and_variance_and_plain_dropout_takes_it_elsewhere():
    good = math.sqrt(1 / 256)
    kept, moved = (through_selu_layers(drop, good) for drop in (AlphaDropout, Dropout))
    assert kept.mean() == pytest.approx(0, abs=0.05)
    assert kept.var() == pytest.approx(1, abs=0.05)
    assert moved.var() > 1.1


def test_weights_as_torch_starts_them_let_the_variance_die_out():
    assert through_selu_layers(AlphaDropout, math.sqrt(1 / (3 * 256))).var() < 0.5


def test_behind_relu_it_changes_mean_and_variance():
    h = np.maximum(np.random.default_rng(0).normal(size=(500, 200)), 0)
    out = dropped(0.5, h, Noise(seed=3).uniform(0, *h.shape))[0]
    assert (h.mean(), h.var()) == pytest.approx((0.4, 0.34), abs=0.01)
    assert (out.mean(), out.var()) == pytest.approx((0.18, 1.05), abs=0.01)


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.99])
def test_evaluation_returns_the_very_same_activations(rate):
    unit = AlphaDropout(rate=rate)
    for h in (np.ones((2, 3)), torch.ones(2, 3)):
        assert unit.evaluate(h, **unit.numbers()) is h


def test_dropped_units_get_no_gradient():
    noise = np.array([[0.1, 0.6]])
    g = AlphaDropout.vanilla(np.ones((1, 2)), noise, rate=0.5)[1](np.ones((1, 2)))[0]
    assert g[0, 0] == 0
    assert g[0, 1] == pytest.approx((0.5 * (1 + 0.5 * FLOOR**2)) ** -0.5)


def test_a_rate_of_zero_keeps_the_sign_of_zero():
    h, noise = np.array([[-0.0, 0.0]]), np.zeros((1, 2))
    for out in dropped(0.0, h, noise):
        assert np.signbit(out).tolist() == [[True, False]]
