"""What Orthogonality's card claims: orthogonal weights are free, others become so, on the side where they can."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import Orthogonality

SHAPES = [(3, 8, 1), (8, 3, 1), (4, 4, 1), (3, 2, 9), (20, 2, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_orthogonal_weights_of_torch_cost_nothing(shape):
    torch.manual_seed(0)
    w = torch.nn.init.orthogonal_(torch.empty(shape, dtype=torch.float64))  # it flattens as we do
    assert Orthogonality.torch(w, strength=1.0).item() == pytest.approx(0, abs=1e-24)
    assert_allclose(Orthogonality.vanilla(w.numpy(), strength=1.0)[1], 0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_penalty_is_that_of_the_singular_values(shape):
    w = np.random.default_rng(0).normal(size=shape)
    values = np.linalg.svd(w.reshape(shape[0], -1), compute_uv=False)
    assert Orthogonality.vanilla(w, strength=0.5)[0] == pytest.approx(0.5 * ((values**2 - 1) ** 2).sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_descent_makes_weights_orthogonal(shape):
    w = np.random.default_rng(0).normal(size=shape) / 2
    for _ in range(2000):
        w = w - 0.02 * Orthogonality.vanilla(w, strength=1.0)[1]
    values = np.linalg.svd(w.reshape(shape[0], -1), compute_uv=False)
    assert_allclose(values, 1, atol=1e-6)


def keras(rows, factor=1.0):
    """keras.regularizers.OrthogonalRegularizer in its mode "rows"."""
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    product = rows @ rows.T * (1 - np.eye(len(rows)))
    pairs = len(rows) * (len(rows) - 1) / 2
    return factor * 0.5 * np.abs(product).sum() / pairs


def test_unlike_keras_it_makes_lengths_other_than_one_cost():
    long = 3 * np.eye(4)
    assert keras(long) == 0
    assert Orthogonality.vanilla(long[:, :, None], strength=1.0)[0] == pytest.approx(4 * (9 - 1) ** 2)


def test_no_factor_converts_to_keras():
    one, other = (np.random.default_rng(seed).normal(size=(3, 6)) for seed in (0, 1))
    ratios = [Orthogonality.vanilla(w[:, :, None], strength=1.0)[0] / keras(w) for w in (one, other)]
    assert abs(ratios[0] / ratios[1] - 1) > 0.1


def test_bfloat16_weights_are_compared_with_the_identity_in_float32():
    torch.manual_seed(0)
    w = torch.nn.init.orthogonal_(torch.empty(16, 64, 1)).bfloat16()
    exact = Orthogonality.torch(w.double(), strength=1.0).item()
    assert exact > 0  # the rounding of the weights themselves
    assert Orthogonality.torch(w, strength=1.0).item() == pytest.approx(exact, rel=0.01)
