"""What SAM's card claims: the steepest point nearby, the usual code's steps, and flat minima rather than sharp ones."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from bridle import SAM

RADIUS = 0.05


def test_no_point_within_the_radius_lies_higher_along_the_slope():
    random = np.random.default_rng(0)
    w, g = random.normal(size=(2, 6))
    there = SAM.vanilla(w, g, float(np.linalg.norm(g)), radius=RADIUS)
    assert np.linalg.norm(there - w) == pytest.approx(RADIUS)
    others = random.normal(size=(1000, 6))
    others *= RADIUS / np.linalg.norm(others, axis=1, keepdims=True)
    assert (others @ g).max() < (there - w) @ g


def problem():
    """A small network with its batch, always the same."""
    random = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    with torch.no_grad():
        for w in network.parameters():
            w.copy_(torch.randn(w.shape, generator=random, dtype=torch.float64))
    x = torch.randn(20, 4, generator=random, dtype=torch.float64)
    return list(network.parameters()), lambda: nn.functional.cross_entropy(network(x), torch.arange(20) % 3)


def usual_step(parameters, loss, optimizer):
    """The two half steps of the code that Composer and most others use."""
    optimizer.zero_grad()
    loss().backward()
    norm = torch.stack([w.grad.norm() for w in parameters]).norm()
    kept = [w.detach().clone() for w in parameters]
    with torch.no_grad():
        for w in parameters:
            w.add_(w.grad * (RADIUS / (norm + 1e-12)))
    optimizer.zero_grad()
    loss().backward()
    with torch.no_grad():
        for w, old in zip(parameters, kept, strict=True):
            w.copy_(old)
    optimizer.step()


def our_step(parameters, loss, optimizer):
    """The same with the regularizer's formulas."""
    gradients = torch.autograd.grad(loss(), parameters)
    norm = torch.cat([SAM.measure(w, g).flatten() for w, g in zip(parameters, gradients, strict=True)]).norm()
    kept = [w.detach().clone() for w in parameters]
    with torch.no_grad():
        for w, g in zip(parameters, gradients, strict=True):
            w.copy_(SAM.torch(w, g, norm, radius=RADIUS))
    gradients = torch.autograd.grad(loss(), parameters)
    with torch.no_grad():
        for w, old, g in zip(parameters, kept, gradients, strict=True):
            w.copy_(old)
            w.grad = g
    optimizer.step()


def test_it_walks_the_path_of_the_usual_code():
    ends = []
    for step in (usual_step, our_step):
        parameters, loss = problem()
        optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
        for _ in range(20):
            step(parameters, loss, optimizer)
        ends.append(torch.cat([w.detach().flatten() for w in parameters]))
    assert_allclose(ends[0], ends[1], rtol=1e-8, atol=1e-10)


def sharpness(radius):
    """The curvature of (u v - 1)², whose minima are all u v = 1, where descent ends that starts beside a sharp one."""
    w = np.array([3.0, 0.35])
    for _ in range(2000):
        w = w - 0.03 * slope(SAM.vanilla(w, slope(w), float(np.linalg.norm(slope(w))), radius=radius))
    assert w.prod() == pytest.approx(1.0, abs=0.1)
    return 2 * float((w**2).sum())


def slope(w):
    return 2 * (w.prod() - 1) * w[::-1]


def test_it_goes_on_from_a_sharp_minimum_to_a_flat_one():
    assert sharpness(0.0) > 18
    assert sharpness(0.1) < 5  # the flattest has 4


def test_without_a_gradient_it_stays_where_it_is():
    w = torch.tensor([1.0, -2.0])
    assert torch.equal(SAM.torch(w, torch.zeros(2), torch.tensor(0.0), radius=RADIUS), w)
    assert SAM.vanilla(w.numpy(), np.zeros(2, np.float32), 0.0, radius=RADIUS).tolist() == w.tolist()


def test_a_divergence_is_not_hidden():
    w, g = torch.zeros(2), torch.tensor([math.inf, 1.0])
    assert not SAM.torch(w, g, g.norm(), radius=RADIUS).isfinite().all()
