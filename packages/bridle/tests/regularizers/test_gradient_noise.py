"""What GradientNoise's card claims: the paper's deviation at every step, and a way out of weights that are all zero."""

import numpy as np
import pytest
import torch
from torch import nn

from bridle import GradientNoise

COUNT = 100_000
SPREAD = 5  # standard deviations that a measured deviation may be off


@pytest.mark.parametrize("eta", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("step", [0, 1, 10, 1000])
def test_the_variance_is_that_of_the_paper(eta, step):
    noise = np.random.default_rng(0).normal(size=COUNT)
    unit = GradientNoise(spread=eta**0.5)
    assert unit.decay == 0.55
    g = np.full(COUNT, 3.0)
    ours = unit.vanilla(g, noise, **unit.settings(numbers=True), step=step)
    theirs = unit.torch(torch.from_numpy(g), torch.from_numpy(noise), **unit.settings(numbers=True), step=step)
    deviation = (eta / (1 + step) ** 0.55) ** 0.5
    for noisy in (ours, theirs.numpy()):
        assert noisy.std() == pytest.approx(deviation, rel=SPREAD / (2 * COUNT) ** 0.5)
        assert noisy.mean() == pytest.approx(3.0, abs=SPREAD * deviation / COUNT**0.5)


def test_without_decay_the_noise_stays():
    g, noise = torch.zeros(3), torch.tensor([1.0, -2.0, 0.5])
    for step in (0, 7, 10_000):
        assert torch.allclose(GradientNoise.torch(g, noise, spread=0.5, decay=0.0, step=step), 0.5 * noise)


def exclusive_or(spread):
    """The loss after SGD on the exclusive or, from weights that are all zero: a point at which every gradient is 0."""
    network = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    parameters = list(network.parameters())
    for w in parameters:
        nn.init.zeros_(w)
    x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    y = torch.tensor([[-1.0], [1.0], [1.0], [-1.0]])
    random = torch.Generator().manual_seed(0)
    for step in range(800):
        loss = (network(x) - y).square().mean()
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for w, g in zip(parameters, gradients, strict=True):
                noise = torch.randn(g.shape, generator=random)
                w.sub_(0.2 * GradientNoise.torch(g, noise, spread=spread, decay=0.55, step=step))
    return loss.item()


def test_it_leads_out_of_weights_that_are_all_zero():
    assert exclusive_or(0.0) == 1.0
    assert exclusive_or(0.3) < 0.1
