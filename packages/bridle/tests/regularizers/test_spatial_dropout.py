"""What SpatialDropout's card claims: whole channels at the exact rate, torch's law, and why pixels are not enough."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from bridle import Dropout, SpatialDropout
from bridle.seeded_draws import TICKS, Noise

RATES = (0.1, 0.5, 0.9)
BATCH, CHANNELS, HEIGHT, WIDTH = 300, 200, 3, 2
MAPS = (BATCH, CHANNELS, HEIGHT, WIDTH)
SPREAD = 5  # standard deviations that a count may be off: one sound seed in two million fails


def dropped(rate, h):
    """Both forms on the noise of a run."""
    (draw,) = SpatialDropout.noise
    noise = Noise(seed=3).uniform(0, *draw.shape(h.shape))
    ours = SpatialDropout.vanilla(h, noise, rate=rate)[0]
    theirs = SpatialDropout.torch(torch.from_numpy(h), torch.from_numpy(noise), rate=rate).numpy()
    return ours, theirs


@pytest.mark.parametrize("rate", RATES)
def test_channels_are_dropped_as_a_whole_at_the_rate(rate):
    chance = math.ceil(rate * TICKS) / TICKS
    for out in dropped(rate, np.ones(MAPS)):
        zeros = (out == 0).mean((2, 3))
        assert set(np.unique(zeros)) == {0.0, 1.0}
        assert abs(zeros.mean() - chance) < SPREAD * math.sqrt(chance * (1 - chance) / zeros.size)


@pytest.mark.parametrize("rate", RATES)
def test_survivors_are_scaled_by_one_over_the_rest(rate):
    h = np.random.default_rng(0).normal(size=(20, 30, HEIGHT, WIDTH))
    for out in dropped(rate, h):
        stays = out != 0
        assert 0 < stays.sum() < stays.size
        assert_allclose(out[stays], h[stays] / (1 - rate), rtol=1e-15)


@pytest.mark.parametrize(
    ("kind", "positions"), [(nn.Dropout, ()), (nn.Dropout1d, (7,)), (nn.Dropout2d, (4, 3)), (nn.Dropout3d, (2, 4, 3))]
)
@pytest.mark.parametrize("rate", RATES)
def test_torchs_own_layer_does_the_same_with_the_same_channels(kind, positions, rate):
    h = torch.randn(40, 30, *positions, generator=torch.Generator().manual_seed(0)).double()
    torch.manual_seed(1)
    theirs = kind(rate)(h)
    kept = (theirs != 0).flatten(2).any(2) if positions else theirs != 0
    assert 0 < kept.sum() < kept.numel()
    noise = kept.double()[..., None, None] * 0.999
    ours = SpatialDropout.torch(h.view(40, 30, -1, 1), noise, rate=rate)
    assert_allclose(ours.view_as(h), theirs, rtol=1e-14)


@pytest.mark.parametrize(("axes", "kind"), [(2, nn.Dropout), (3, nn.Dropout1d), (4, nn.Dropout2d), (5, nn.Dropout3d)])
def test_the_module_is_torchs_own_at_the_same_rate(axes, kind):
    module = SpatialDropout(rate=0.3).module(5, axes)
    assert type(module) is kind
    assert module.p == 0.3


def test_without_positions_it_is_dropout():
    h = np.random.default_rng(0).normal(size=(BATCH, CHANNELS))
    noise = Noise(seed=3).uniform(0, *h.shape)
    plain = Dropout.vanilla(h, noise, rate=0.3)[0]
    for out in dropped(0.3, h[..., None, None]):
        assert_allclose(out[..., 0, 0], plain, rtol=1e-15)


def test_a_mean_over_smooth_maps_hardly_notices_dropped_pixels_but_dropped_channels():
    h = np.ones((BATCH, CHANNELS, 8, 8))
    channels = dropped(0.5, h)[0].mean((2, 3))
    pixels = Dropout.vanilla(h, Noise(seed=3).uniform(0, *h.shape), rate=0.5)[0].mean((2, 3))
    # The factor's deviation is 1; a mean over 64 pixels that are dropped one by one has an eighth of it.
    assert channels.std() == pytest.approx(1, rel=0.02)
    assert pixels.std() == pytest.approx(1 / 8, rel=0.02)


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.99])
def test_evaluation_returns_the_very_same_activations(rate):
    unit = SpatialDropout(rate=rate)
    for h in (np.ones((2, 3, 2, 2)), torch.ones(2, 3, 2, 2)):
        assert unit.evaluate(h, **unit.numbers()) is h


def test_dropped_channels_get_no_gradient():
    noise = np.array([[0.1, 0.6]])[..., None, None]
    backward = SpatialDropout.vanilla(np.ones((1, 2, 1, 2)), noise, rate=0.5)[1]
    assert backward(np.ones((1, 2, 1, 2)))[0].tolist() == [[[[0.0, 0.0]], [[2.0, 2.0]]]]


def test_the_variance_that_a_batch_norm_behind_it_would_remember_is_too_large():
    h = np.random.default_rng(0).normal(2.0, 1.0, size=MAPS)
    # E[h²] / (1 - rate) - E[h]² = 5 / 0.5 - 4 = 6, where evaluation meets a variance of 1
    assert dropped(0.5, h)[0].var() == pytest.approx(6.0, rel=0.05)
