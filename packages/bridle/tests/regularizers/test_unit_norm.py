"""What UnitNorm's card claims: every unit of length 1, as torch and Keras do it, and what decay does beside it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import L2, UnitNorm, WeightDecay


def normalized(w):
    """Both forms, for a weight of any shape."""
    seen = w.reshape(*w.shape[:2], -1)
    ours = UnitNorm.vanilla(seen)
    assert_allclose(UnitNorm.torch(torch.from_numpy(seen)), ours, rtol=1e-13)
    return ours.reshape(w.shape)


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("shape", [(6, 5), (6, 3, 2, 2)], ids=["linear", "convolution"])
def test_every_unit_has_the_length_one(shape):
    ours = normalized(draw(*shape) * 100)
    assert_allclose(np.linalg.norm(ours.reshape(6, -1), axis=1), 1, rtol=1e-13)


def test_it_is_torchs_normalize():
    w = draw(6, 5)
    w[2] = 0.0
    assert_allclose(torch.nn.functional.normalize(torch.from_numpy(w), dim=1), normalized(w), rtol=1e-13)
    assert not normalized(w)[2].any()


def test_it_is_the_constraint_of_keras_along_the_axis_of_the_card():
    def keras(kernel, axis):
        return kernel / (1e-7 + np.sqrt((kernel**2).sum(axis, keepdims=True)))

    dense, filters = draw(6, 5), draw(6, 3, 2, 2)
    assert_allclose(keras(dense.T, 0).T, normalized(dense), rtol=1e-6)
    kernel = filters.transpose(2, 3, 1, 0)  # Keras: rows, columns, inputs, outputs
    assert_allclose(keras(kernel, (0, 1, 2)).transpose(3, 2, 0, 1), normalized(filters), rtol=1e-6)


def test_beside_it_decay_only_raises_the_learning_rate():
    w, g = normalized(draw(6, 5)), np.random.default_rng(1).normal(size=(6, 5))
    lr, strength = 0.1, 0.5
    decayed = normalized(WeightDecay.vanilla(w, strength=strength, lr=lr) - lr * g)
    penalized = normalized(w - lr * (g + L2.vanilla(w, strength=strength / 2)[1]))
    faster = normalized(w - lr / (1 - lr * strength) * g)
    assert_allclose(decayed, faster, rtol=1e-12)
    assert_allclose(penalized, faster, rtol=1e-12)
    assert np.abs(decayed - normalized(w - lr * g)).max() > 1e-3
