"""What ASAM's card claims: the same neighborhood however the weights are scaled, and the steps of the authors' code."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import ASAM, SAM

RADIUS, EPS = 0.5, 0.01


def layers(scale):
    """Two layers around a ReLU, the first times ``scale``, the second divided by it: one function."""
    random = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 4, 4, generator=random, dtype=torch.float64)
    return [(first * scale).requires_grad_(), (second / scale).requires_grad_()]


def function(weights):
    x = torch.randn(10, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (x @ weights[0].T).relu() @ weights[1].T


def elsewhere(unit, scale):
    """The function at the point where the second gradient is taken."""
    weights, knobs = layers(scale), unit.settings(numbers=True)
    gradients = torch.autograd.grad(function(weights).square().mean(), weights)
    pairs = [(w.detach(), g) for w, g in zip(weights, gradients, strict=True)]
    norm = torch.cat([unit.measure(w, g, **knobs).flatten() for w, g in pairs]).norm()
    for w, g in pairs:
        assert_allclose(unit.vanilla(w.numpy(), g.numpy(), norm.item(), **knobs), unit.torch(w, g, norm, **knobs))
    return function([unit.torch(w, g, norm, **knobs) for w, g in pairs])


def test_what_is_near_does_not_change_with_the_scale_of_the_weights():
    plain = elsewhere(ASAM(radius=RADIUS, eps=0.0), 1.0)
    assert (plain - function(layers(1.0))).abs().max() > 0.01
    for scale in (0.01, 10.0):
        assert_allclose(function(layers(scale)).detach(), function(layers(1.0)).detach(), rtol=1e-9)
        assert_allclose(elsewhere(ASAM(radius=RADIUS, eps=0.0), scale), plain, rtol=1e-9)


def test_for_sam_it_does():
    plain = elsewhere(SAM(radius=RADIUS), 1.0)
    assert (elsewhere(SAM(radius=RADIUS), 10.0) - plain).abs().max() > 0.1


def test_no_point_of_the_adaptive_neighborhood_lies_higher_along_the_slope():
    random = np.random.default_rng(0)
    w, g = random.normal(size=(2, 6))
    size = np.abs(w) + EPS
    norm = float(np.linalg.norm(ASAM.measure(w, g, radius=RADIUS, eps=EPS)))
    move = ASAM.vanilla(w, g, norm, radius=RADIUS, eps=EPS) - w
    assert np.linalg.norm(move / size) == pytest.approx(RADIUS)
    others = random.normal(size=(1000, 6))
    others *= RADIUS / np.linalg.norm(others, axis=1, keepdims=True)
    assert ((others * size) @ g).max() < move @ g


def test_it_is_the_ascent_of_the_authors_code_for_weights():
    random = torch.Generator().manual_seed(0)
    weights, gradients = torch.randn(2, 3, 4, generator=random, dtype=torch.float64)
    scaled = [(w.abs() + EPS) * g for w, g in zip(weights, gradients, strict=True)]
    norm = torch.stack([each.norm() for each in scaled]).norm() + 1e-16
    theirs = [w + (w.abs() + EPS) * each * (RADIUS / norm) for w, each in zip(weights, scaled, strict=True)]
    measured = torch.cat([ASAM.measure(w, g, radius=RADIUS, eps=EPS) for w, g in zip(weights, gradients, strict=True)])
    for w, g, their in zip(weights, gradients, theirs, strict=True):
        assert_allclose(ASAM.torch(w, g, measured.norm(), radius=RADIUS, eps=EPS), their, rtol=1e-13)


def test_without_eps_it_is_the_adaptive_sam_of_the_usual_code():
    random = torch.Generator().manual_seed(0)
    w, g = torch.randn(2, 5, generator=random, dtype=torch.float64)
    theirs = w + w.square() * g * (RADIUS / ((w.abs() * g).norm() + 1e-12))
    norm = ASAM.measure(w, g, radius=RADIUS, eps=0.0).norm()
    assert_allclose(ASAM.torch(w, g, norm, radius=RADIUS, eps=0.0), theirs, rtol=1e-11)


def test_only_eps_moves_a_weight_of_zero():
    w, g = torch.tensor([0.0, 1.0]), torch.ones(2)
    for eps, moves in ((0.0, False), (0.01, True)):
        norm = ASAM.measure(w, g, radius=RADIUS, eps=eps).norm()
        assert bool(ASAM.torch(w, g, norm, radius=RADIUS, eps=eps)[0] != 0) == moves


def test_without_a_gradient_it_stays_where_it_is():
    w = torch.tensor([1.0, -2.0])
    assert torch.equal(ASAM.torch(w, torch.zeros(2), torch.tensor(0.0), radius=RADIUS, eps=EPS), w)
