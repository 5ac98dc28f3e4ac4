"""What DropConnect's card claims: the rate, the mean, one mask for a batch, and the mean weights in evaluation."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from bridle import DropConnect, Dropout
from bridle.parameter_selection import acts_on
from bridle.seeded_draws import TICKS, Noise

RATES = (0.1, 0.5, 0.9)
OUTPUTS, INPUTS = 300, 200


def dropped(rate, w):
    """Both forms on the noise of a run."""
    noise = Noise(seed=3).uniform(0, *w.shape)
    ours = DropConnect.vanilla(w, noise, rate=rate)[0]
    theirs = DropConnect.torch(torch.from_numpy(w), torch.from_numpy(noise), rate=rate).numpy()
    return ours, theirs


@pytest.mark.parametrize("rate", RATES)
def test_the_fraction_of_weights_left_out_is_the_rate_to_one_tick(rate):
    chance = math.ceil(rate * TICKS) / TICKS
    for out in dropped(rate, np.ones((OUTPUTS, INPUTS, 1))):
        assert abs((out == 0).mean() - chance) < 5 * math.sqrt(chance * (1 - chance) / out.size)


@pytest.mark.parametrize("rate", RATES)
def test_those_that_stay_are_scaled_by_one_over_the_rest(rate):
    w = np.random.default_rng(0).normal(size=(20, 10, 9))  # a convolution of 3 x 3
    for out in dropped(rate, w):
        stays = out != 0
        assert 0 < stays.sum() < stays.size
        assert_allclose(out[stays], w[stays] / (1 - rate), rtol=1e-15)


@pytest.mark.parametrize("rate", RATES)
def test_fastai_gives_the_same_by_torchs_dropout_of_the_weight(rate):
    w = torch.randn(OUTPUTS, INPUTS, generator=torch.Generator().manual_seed(0)).double()
    torch.manual_seed(1)
    theirs = nn.functional.dropout(w, p=rate)  # what WeightDropout(weight_p=rate) puts into its layer
    noise = (theirs != 0).double() * 0.999
    assert_allclose(DropConnect.torch(w[..., None], noise[..., None], rate=rate)[..., 0], theirs, rtol=1e-14)


def test_the_mean_over_masks_of_a_unit_is_what_evaluation_gives():
    masks = 4000
    random = np.random.default_rng(0)
    w, x = random.normal(size=(1, 50, 1)), random.normal(size=50)
    noise = Noise(seed=3).uniform(0, masks, 50, 1)
    units = DropConnect.vanilla(np.repeat(w, masks, 0), noise, rate=0.5)[0][..., 0] @ x
    exact = DropConnect.evaluate(w, rate=0.5)[0, :, 0] @ x
    # A sum of independent terms: the variance of the paper's Gaussian, w² x² · rate / (1 - rate) for each weight.
    deviation = math.sqrt(((w[0, :, 0] * x) ** 2).sum())
    assert abs(units.mean() - exact) < 5 * deviation / math.sqrt(masks)
    assert units.std() == pytest.approx(deviation, rel=5 / math.sqrt(2 * masks))


def test_on_one_output_it_is_dropout_of_the_inputs_with_one_mask_for_all_examples():
    random = np.random.default_rng(0)
    w, x, noise = random.normal(size=(1, INPUTS, 1)), random.normal(size=(7, INPUTS)), random.uniform(size=INPUTS)
    through = x @ DropConnect.vanilla(w, noise.reshape(w.shape), rate=0.3)[0][0, :, 0]
    inputs = Dropout.vanilla(x, np.broadcast_to(noise, x.shape), rate=0.3)[0]
    assert_allclose(through, inputs @ w[0, :, 0], rtol=1e-12)


def test_biases_stay_whole_by_default():
    unit = DropConnect()
    assert acts_on(unit.on, "linear1.weight", 2)
    assert not acts_on(unit.on, "linear1.bias", 1)


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.99])
def test_evaluation_returns_the_very_same_weights(rate):
    unit = DropConnect(rate=rate)
    for w in (np.ones((2, 3, 1)), torch.ones(2, 3, 1)):
        assert unit.evaluate(w, **unit.numbers()) is w


def test_weights_left_out_get_no_gradient():
    noise = np.array([[[0.1], [0.6]]])
    backward = DropConnect.vanilla(np.ones((1, 2, 1)), noise, rate=0.5)[1]
    assert backward(np.ones((1, 2, 1)))[0].tolist() == [[[0.0], [2.0]]]
