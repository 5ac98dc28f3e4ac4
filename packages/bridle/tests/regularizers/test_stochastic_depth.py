"""What StochasticDepth's card claims: whole examples, the rates of torchvision and timm, a network of many depths."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from bridle import Recipe, StochasticDepth, residual_mlp
from bridle.networks import Residual
from bridle.seeded_draws import TICKS, Noise
from bridle.sites import check_sites, hidden_site, input_site

RATES = (0.1, 0.5, 0.9)
EXAMPLES = 20_000


def dropped(rate, h):
    """Both forms on the noise of a run."""
    (draw,) = StochasticDepth.noise
    noise = Noise(seed=3).uniform(0, *draw.shape(h.shape))
    ours = StochasticDepth.vanilla(h, noise, rate=rate)[0]
    theirs = StochasticDepth.torch(torch.from_numpy(h), torch.from_numpy(noise), rate=rate).numpy()
    return ours, theirs


@pytest.mark.parametrize("rate", RATES)
def test_an_example_loses_all_of_the_branch_or_nothing(rate):
    chance = math.ceil(rate * TICKS) / TICKS
    for out in dropped(rate, np.ones((EXAMPLES, 3, 2, 1))):
        zeros = (out == 0).mean((1, 2, 3))
        assert set(np.unique(zeros)) == {0.0, 1.0}
        assert abs(zeros.mean() - chance) < 5 * math.sqrt(chance * (1 - chance) / EXAMPLES)


@pytest.mark.parametrize("rate", RATES)
def test_the_mean_is_kept(rate):
    deviation = math.sqrt(rate / (1 - rate) / EXAMPLES)
    for out in dropped(rate, np.ones((EXAMPLES, 1, 1, 1))):
        assert abs(out.mean() - 1) < 5 * deviation + 1 / TICKS / (1 - rate)


@pytest.mark.parametrize("shape", [(30, 4), (30, 4, 3, 2)])
@pytest.mark.parametrize("rate", RATES)
def test_timm_gives_the_same_for_the_same_examples(timm, monkeypatch, rate, shape):
    random = np.random.default_rng(0)
    h, noise = random.normal(size=shape), random.uniform(size=(30, *[1] * (len(shape) - 1)))
    stays = torch.from_numpy(1 - noise)  # below the chance that a branch stays
    monkeypatch.setattr(torch.Tensor, "bernoulli_", lambda made, chance: made.copy_(stays < chance))
    theirs = timm.layers.DropPath(rate)(torch.from_numpy(h))
    assert 0 < (theirs == 0).sum() < theirs.numel()
    assert_allclose(StochasticDepth.vanilla(h, noise, rate=rate)[0], theirs, rtol=1e-14)
    ours = StochasticDepth.torch(torch.from_numpy(h), torch.from_numpy(noise), rate=rate)
    assert_allclose(ours, theirs, rtol=1e-14)


@pytest.mark.parametrize("rate", RATES)
def test_torchvision_gives_the_same_for_the_same_examples(rate):
    random = np.random.default_rng(0)
    h, stays = torch.from_numpy(random.normal(size=(30, 4, 3, 2))), torch.from_numpy(random.uniform(size=30) >= rate)
    survival = stays.view(-1, 1, 1, 1).double()
    theirs = h * survival.div(1.0 - rate)  # there, survival is drawn by bernoulli_(1 - rate)
    ours = StochasticDepth.torch(h, survival * 0.999, rate=rate)
    assert_allclose(ours, theirs, rtol=1e-14)


def test_the_paper_scales_in_evaluation_instead():
    # Equation 5: the branch of a trained network is multiplied by its survival probability. Here, that is done before.
    h = np.random.default_rng(0).normal(size=(30, 4, 1, 1))
    trained_as_in_the_paper = h * (Noise(seed=3).uniform(0, 30, 1, 1, 1) >= 0.25)
    assert_allclose(dropped(0.25, h)[0] * 0.75, trained_as_in_the_paper, rtol=1e-14)


def test_a_network_of_blocks_becomes_one_of_every_depth():
    # Each block adds 1, so that the output, unscaled, counts the blocks that were there: binomial, as in section 3.
    depth, rate = 6, 0.5
    total = np.zeros(EXAMPLES)
    for stream_id in range(depth):
        noise = Noise(seed=3).uniform(stream_id, EXAMPLES, 1, 1, 1)
        total += StochasticDepth.vanilla(np.ones((EXAMPLES, 1, 1, 1)), noise, rate=rate)[0].ravel() * (1 - rate)
    shares = np.bincount(total.astype(int), minlength=depth + 1) / EXAMPLES
    expected = [math.comb(depth, k) * rate**k * (1 - rate) ** (depth - k) for k in range(depth + 1)]
    assert_allclose(shares, expected, atol=5 * math.sqrt(0.25 / EXAMPLES))


def test_it_stands_behind_every_residual_branch_and_nowhere_else():
    network = residual_mlp(8, 3).build((5,), 2)
    branches = [f"{name}.branch" for name, each in network.named_modules() if isinstance(each, Residual)]
    assert branches == ["block1.branch", "block2.branch", "block3.branch"]
    assert StochasticDepth().at == "residual"


def test_a_network_without_residual_branches_is_refused():
    sites = [input_site(), hidden_site(1, "linear1", "Linear")]
    with pytest.raises(ValueError, match="residual_mlp"):
        check_sites(Recipe.of(StochasticDepth()), sites)


def test_rates_that_rise_with_depth_are_said_per_layer():
    # Equation 4: p_l = 1 - l / L · (1 - p_L), here with a last rate of 0.3.
    last, blocks = 0.3, 3
    unit = StochasticDepth(rate={f"block{block}.*": block / blocks * last for block in range(1, blocks + 1)})
    rates = [unit.numbers("9", f"block{block}.branch", "Sequential", "residual")["rate"] for block in (1, 2, 3)]
    assert_allclose(rates, [0.1, 0.2, 0.3])


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (6, 4, 5, 3)])
def test_the_module_drops_examples_of_any_shape(shape):
    module = StochasticDepth(rate=0.5).module(4, len(shape))
    torch.manual_seed(0)
    out = torch.cat([module(torch.ones(shape)).flatten(1) for _ in range(50)])
    assert set(out.mean(1).tolist()) == {0.0, 2.0}
    assert (out == out[:, :1]).all()


def test_a_branch_that_is_dropped_leaves_its_input_as_it_is():
    branch = nn.Sequential(nn.Linear(4, 4), StochasticDepth(rate=0.5).module(4))
    x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    unchanged = (Residual(branch)(x) == x).all(1)
    assert 60 < unchanged.sum() < 140
    assert not (Residual(branch).eval()(x) == x).all(1).any()


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.99])
def test_evaluation_returns_the_very_same_activations(rate):
    unit = StochasticDepth(rate=rate)
    for h in (np.ones((2, 3, 1, 1)), torch.ones(2, 3, 1, 1)):
        assert unit.evaluate(h, **unit.numbers()) is h
