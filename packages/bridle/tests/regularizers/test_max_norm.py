"""What MaxNorm's card claims: torch's renorm, Keras's constraint on the other axis, a bound that training keeps."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import MaxNorm

LIMIT = 2.0


def draw(*shape):
    """Weights of which some units are longer than the limit and some are not."""
    w = np.random.default_rng(0).normal(size=shape)
    return w * np.logspace(-1, 1, len(w)).reshape(-1, *[1] * (w.ndim - 1))


def limited(w, limit=LIMIT):
    """Both forms, for a weight of any shape."""
    seen = w.reshape(*w.shape[:2], -1)
    ours = MaxNorm.vanilla(seen, limit=limit)
    assert_allclose(MaxNorm.torch(torch.from_numpy(seen), limit=limit), ours, rtol=1e-13)
    return ours.reshape(w.shape)


@pytest.mark.parametrize("shape", [(6, 5), (6, 3, 2, 2)], ids=["linear", "convolution"])
def test_it_is_torchs_renorm(shape):
    w = draw(*shape)
    ours = limited(w)
    assert_allclose(torch.renorm(torch.from_numpy(w), 2, 0, LIMIT), ours, rtol=1e-6)
    lengths = np.linalg.norm(ours.reshape(6, -1), axis=1)
    assert lengths.max() == pytest.approx(LIMIT, rel=1e-14)
    assert lengths.min() < LIMIT / 2


def keras(kernel, axis):
    """The formula of keras.constraints.MaxNorm."""
    norms = np.sqrt((kernel**2).sum(axis, keepdims=True))
    return kernel * (np.clip(norms, 0, LIMIT) / (1e-7 + norms))


def test_it_is_the_constraint_of_keras_along_the_axis_of_the_card():
    dense = draw(6, 5)
    assert_allclose(keras(dense.T, 0).T, limited(dense), rtol=1e-5)
    filters = draw(6, 3, 2, 2)
    kernel = filters.transpose(2, 3, 1, 0)  # Keras: rows, columns, inputs, outputs
    assert_allclose(keras(kernel, (0, 1, 2)).transpose(3, 2, 0, 1), limited(filters), rtol=1e-5)


def test_units_within_the_limit_pass_bit_for_bit():
    w = draw(6, 5)
    short = np.linalg.norm(w, axis=1) <= LIMIT
    assert 0 < short.sum() < 6
    assert np.array_equal(limited(w)[short], w[short])
    assert np.array_equal(limited(w, math.inf), w)


def test_it_is_the_nearest_point_within_the_limit():
    random = np.random.default_rng(1)
    w = np.array([[3.0, 4.0, 12.0]])
    ours = limited(w)
    others = random.normal(size=(1000, 3))
    others *= LIMIT * random.uniform(size=(1000, 1)) / np.linalg.norm(others, axis=1, keepdims=True)
    assert (np.linalg.norm(others - w, axis=1) > np.linalg.norm(ours - w)).all()


def trained(limit):
    """The weights of a linear classifier of separable classes, at a learning rate at which they wander far."""
    random = np.random.default_rng(0)
    x = random.normal(size=(50, 4))
    y, w = np.sign(x[:, 0]), np.zeros((1, 4, 1))
    for _ in range(200):
        error = -y / (1 + np.exp(np.clip(y * (x @ w[0, :, 0]), -500, 500)))
        w = MaxNorm.vanilla(w - 50.0 * (x.T @ error / 50)[None, :, None], limit=limit)
    return w


def test_it_bounds_the_weights_that_a_high_learning_rate_would_throw_far():
    assert np.linalg.norm(trained(math.inf)) > 20
    assert np.linalg.norm(trained(LIMIT)) <= LIMIT * (1 + 1e-12)
