"""What ActivityL1's card claims: Keras's penalty on plain layers, and activations that become exactly zero."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from bridle import ActivityL1

H = np.random.default_rng(0).normal(size=(6, 4))


def keras(h, l1):
    """keras.layers.ActivityRegularization(l1): the sum, divided by the batch size by the layer."""
    return l1 * np.sum(np.absolute(h)) / len(h)


def test_the_penalty_is_that_of_keras():
    assert ActivityL1.vanilla(H, strength=0.3)[0] == pytest.approx(keras(H, 0.3))


def test_where_there_are_positions_keras_takes_the_strength_divided_by_them():
    images = np.random.default_rng(0).normal(size=(6, 4, 3, 5))
    rows = np.moveaxis(images, 1, -1).reshape(-1, 4)
    assert ActivityL1.vanilla(rows, strength=0.3)[0] == pytest.approx(keras(images, 0.3 / 15))


def test_a_larger_batch_of_the_same_rows_costs_the_same():
    assert ActivityL1.vanilla(np.tile(H, (5, 1)), strength=0.3)[0] == pytest.approx(
        ActivityL1.vanilla(H, strength=0.3)[0]
    )


def test_each_variant_of_a_stack_pays_its_own_strength():
    h = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 6, 4)))  # seeds, recipes, batch, units
    strengths = torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64)
    stacked = ActivityL1.torch(h, strength=strengths.view(1, 3, 1, 1))
    alone = [[ActivityL1.vanilla(h[s, r].numpy(), strength=float(strengths[r]))[0] for r in range(3)] for s in range(2)]
    assert_allclose(stacked, alone, rtol=1e-12)


def test_it_silences_the_units_of_a_relu_exactly():
    torch.manual_seed(0)
    x, y = torch.randn(100, 5), torch.randn(100, 1)
    silent = {}
    for strength in (0.0, 0.1):
        torch.manual_seed(1)
        network = torch.nn.Sequential(torch.nn.Linear(5, 50), torch.nn.ReLU(), torch.nn.Linear(50, 1))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(200):
            optimizer.zero_grad()
            h = network[:2](x)
            ((network[2](h) - y).square().mean() + ActivityL1.torch(h, strength=strength)).backward()
            optimizer.step()
        silent[strength] = (network[:2](x) == 0).float().mean().item()
    assert silent[0.1] > silent[0.0] + 0.2
