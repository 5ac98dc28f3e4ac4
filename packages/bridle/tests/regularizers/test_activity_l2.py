"""What ActivityL2's card claims: Keras's penalty on plain layers, that of AWD-LSTM, and no sparsity."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import ActivityL2

H = np.random.default_rng(0).normal(size=(6, 4))


def keras(h, l2):
    """keras.layers.ActivityRegularization(l2): the sum, divided by the batch size by the layer."""
    return l2 * np.sum(np.square(h)) / len(h)


def test_the_penalty_is_that_of_keras():
    assert ActivityL2.vanilla(H, strength=0.3)[0] == pytest.approx(keras(H, 0.3))


def test_where_there_are_positions_keras_takes_the_strength_divided_by_them():
    images = np.random.default_rng(0).normal(size=(6, 4, 3, 5))
    rows = np.moveaxis(images, 1, -1).reshape(-1, 4)
    assert ActivityL2.vanilla(rows, strength=0.3)[0] == pytest.approx(keras(images, 0.3 / 15))


def test_the_alpha_of_awd_lstm_is_the_strength_times_the_units():
    h = torch.from_numpy(H)
    assert ActivityL2.torch(h, strength=0.3).item() == pytest.approx((0.3 * 4 * h.pow(2).mean()).item())


def test_each_variant_of_a_stack_pays_its_own_strength():
    h = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 6, 4)))  # seeds, recipes, batch, units
    strengths = torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64)
    stacked = ActivityL2.torch(h, strength=strengths.view(1, 3, 1, 1))
    alone = [[ActivityL2.vanilla(h[s, r].numpy(), strength=float(strengths[r]))[0] for r in range(3)] for s in range(2)]
    assert_allclose(stacked, alone, rtol=1e-12)


def test_a_small_activation_is_hardly_pulled():
    gradient = ActivityL2.vanilla(np.array([[1.0, 0.001]]), strength=0.5)[1]
    assert_allclose(gradient, [[1.0, 0.001]])  # in proportion, where an absolute value would pull both alike
