"""What SpectralPenalty's card claims: the largest singular value, found along the way, and pulled alone."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn.utils.parametrizations import spectral_norm

from bridle import L2, SpectralPenalty
from bridle.regularizers.loss.spectral_penalty import Direction

START = SpectralPenalty.state.v
SHAPES = [(6, 4, 1), (4, 6, 1), (5, 3, 9)]


def weights(*shape, seed=0):
    """A weight (outputs, inputs, positions)."""
    return np.random.default_rng(seed).normal(size=shape)


def turned(w, times):
    """The direction after so many steps with the same weight, by both forms."""
    ours, theirs = START(w), START(torch.from_numpy(w))
    for _ in range(times):
        ours = SpectralPenalty.vanilla(w, Direction(ours), strength=1.0)[2].v
        theirs = SpectralPenalty.torch(torch.from_numpy(w), Direction(theirs), strength=1.0)[1].v
    assert_allclose(theirs, ours, rtol=1e-9, atol=1e-12)
    return ours


def largest(w):
    """σ(W)."""
    return np.linalg.norm(w.reshape(len(w), -1), 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_after_some_steps_the_penalty_is_that_of_the_largest_singular_value(shape):
    w = weights(*shape)
    penalty, gradient, _ = SpectralPenalty.vanilla(w, Direction(turned(w, 300)), strength=0.3)
    assert penalty == pytest.approx(0.3 * largest(w) ** 2)
    u, values, v = np.linalg.svd(w.reshape(len(w), -1))
    assert_allclose(gradient.reshape(len(w), -1), 0.3 * 2 * values[0] * np.outer(u[:, 0], v[0]), atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_paper_has_half_of_it_at_lambda_twice_the_strength(shape):
    w = torch.from_numpy(weights(*shape)).requires_grad_()
    (0.6 / 2 * torch.linalg.matrix_norm(w.flatten(1), 2).square()).backward()
    direction = Direction(torch.from_numpy(turned(w.detach().numpy(), 300)))
    ours, _ = SpectralPenalty.add_gradient(torch.zeros_like(w), w.detach(), direction, strength=0.3)
    assert w.grad is not None
    assert_allclose(ours, w.grad, atol=1e-6)


def test_it_measures_what_the_spectral_norm_of_torch_divides_by():
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 8, 3).double()
    w = layer.weight.detach().clone()
    spectral_norm(layer, n_power_iterations=100).train()
    divisor = (w / layer.weight).mean().item()
    flat = w.flatten(2).numpy()
    found = Direction(turned(flat, 200))
    assert SpectralPenalty.vanilla(flat, found, strength=1.0)[0] == pytest.approx(divisor**2)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_first_direction_is_near_in_the_first_place(shape):
    w = weights(*shape)
    stretched = np.linalg.norm(w.reshape(len(w), -1) @ START(w).ravel())
    assert 0.9 * largest(w) < stretched <= largest(w) * (1 + 1e-12)
    assert START(w).shape == (1, *shape[1:])


def test_descent_lowers_the_largest_singular_value_and_leaves_the_others():
    u, _ = np.linalg.qr(weights(4, 4))
    v, _ = np.linalg.qr(weights(4, 4, seed=1))
    w = (u @ np.diag([5.0, 2.0, 1.0, 0.5]) @ v.T)[:, :, None]
    direction = Direction(START(w))
    for _ in range(50):
        _, gradient, direction = SpectralPenalty.vanilla(w, direction, strength=0.1)
        w = w - 0.05 * gradient
    assert_allclose(np.linalg.svd(w[:, :, 0], compute_uv=False), [5 * 0.99**50, 2.0, 1.0, 0.5], rtol=0.01)


def test_with_a_single_output_it_is_l2():
    w = weights(1, 7, 1)
    penalty, gradient, _ = SpectralPenalty.vanilla(w, Direction(START(w)), strength=0.3)
    assert penalty == pytest.approx(L2.vanilla(w, strength=0.3)[0])
    assert_allclose(gradient, L2.vanilla(w, strength=0.3)[1])


@pytest.mark.parametrize("w", [np.zeros((3, 4, 1)), np.concatenate([np.zeros((1, 4, 1)), weights(2, 4, 1)])])
def test_zeros_in_the_weights_do_not_stop_the_search(w):
    direction = turned(w, 100)
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert SpectralPenalty.vanilla(w, Direction(direction), strength=1.0)[0] == pytest.approx(largest(w) ** 2)


@pytest.mark.parametrize("size", [1e-18, 1e-9, 1e9, 1e18])
def test_weights_of_any_size_are_searched_in_float32(size):
    w = weights(5, 3, 9).astype(np.float32)
    direction = Direction(torch.from_numpy(START(w)))
    scaled = torch.from_numpy(w * np.float32(size))
    following = SpectralPenalty.torch(scaled, direction, strength=1.0)[1].v
    assert_allclose(following, SpectralPenalty.torch(torch.from_numpy(w), direction, strength=1.0)[1].v, atol=1e-6)
