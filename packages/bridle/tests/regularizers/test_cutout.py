"""What Cutout's card claims: the patches of the paper and of timm, the fraction hidden, categories hidden whole."""

import math
import random

import numpy as np
import pytest
import torch

from bridle import Cutout, Dropout
from bridle.feature_layout import Layout
from bridle.seeded_draws import Noise

SIDE = 32
IMAGE = Layout((1, SIDE, SIDE))


def hidden(noise, rate, layout):
    """Where rows of ones became zero, in the NumPy form; and that the PyTorch form does the same."""
    x = np.ones(noise.shape)
    ours = Cutout.vanilla(x, x, noise, rate=rate, layout=layout)[0]
    ones = torch.ones(x.shape)
    theirs = Cutout.torch(ones, ones, torch.from_numpy(noise), rate=rate, layout=layout)[0]
    assert np.array_equal(ours, theirs)
    return ours == 0


@pytest.mark.parametrize(("length", "rate"), [(16, 0.25), (8, 0.0625)])
def test_patches_are_those_of_the_papers_code(length, rate):
    for y, x in np.random.default_rng(0).integers(SIDE, size=(30, 2)):
        mask = np.zeros((SIDE, SIDE), bool)
        top, bottom, left, right = np.clip(
            [y - length // 2, y + length // 2, x - length // 2, x + length // 2], 0, SIDE
        )
        mask[top:bottom, left:right] = True
        noise = np.full((1, SIDE**2), 0.5)
        noise[0, 0], noise[0, -1] = y / SIDE, x / SIDE
        assert np.array_equal(hidden(noise, rate, IMAGE).reshape(SIDE, SIDE), mask)


@pytest.mark.parametrize("side", [8, 15])
def test_patches_inside_the_image_are_those_of_timm(timm, monkeypatch, side):
    rate = (side / SIDE) ** 2
    corners = np.random.default_rng(0).integers(SIDE - side + 1, size=(30, 2))
    draws = iter(corners.flatten())
    monkeypatch.setattr(random, "randint", lambda low, high: next(draws))
    erase = timm.data.random_erasing.RandomErasing(
        1.0, min_area=rate, max_area=rate, min_aspect=1.0, max_aspect=1.0, device="cpu"
    )
    theirs = torch.ones(30, 2, SIDE, SIDE)
    erase(theirs)
    noise = np.full((30, 2 * SIDE**2), 0.5)
    noise[:, 0], noise[:, -1] = (corners.T + side / 2) / SIDE
    assert np.array_equal(hidden(noise, rate, Layout((2, SIDE, SIDE))), theirs.numpy().reshape(30, -1) == 0)


def test_a_patch_cut_off_at_the_border_hides_less():
    noise = Noise(seed=0).uniform(0, 2000, SIDE**2)
    areas = hidden(noise, 0.25, IMAGE).mean(1)
    assert areas.max() == 0.25
    side = 0.5 - 0.5**2 / 4  # what remains of a side of a half inside the image, on average over its center
    assert areas.mean() == pytest.approx(side**2, abs=5 * areas.std() / math.sqrt(2000))


def test_every_row_has_its_own_patch_over_all_channels():
    noise = Noise(seed=0).uniform(0, 20, 3 * 64)
    masks = hidden(noise, 0.25, Layout((3, 8, 8))).reshape(20, 3, 64)
    assert (masks == masks[:, :1]).all()
    assert len({mask.tobytes() for mask in masks}) > 10


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_in_a_table_the_rate_is_the_fraction_of_columns_and_categories_go_whole(rate):
    noise = Noise(seed=0).uniform(0, 5000, 6)
    masks = hidden(noise, rate, Layout(groups=(0, 1, 1, 1, 2, 2)))
    assert (masks[:, 1:4] == masks[:, 1:2]).all()
    assert (masks[:, 4] == masks[:, 5]).all()
    columns = masks[:, [0, 1, 4]]
    assert columns.mean() == pytest.approx(rate, abs=5 * math.sqrt(rate * (1 - rate) / columns.size))


def test_in_a_table_of_amounts_it_is_dropout_of_the_inputs_that_is_not_scaled_up():
    random = np.random.default_rng(0)
    x, noise = random.normal(size=(2, 30, 8))
    ours = Cutout.vanilla(x, x, noise, rate=0.25, layout=Layout(groups=tuple(range(8))))[0]
    np.testing.assert_allclose(ours, Dropout.vanilla(x, noise, rate=0.25)[0] * 0.75)


def test_targets_are_left_as_they_are():
    x, y = torch.ones(4, 3), torch.eye(4)
    assert Cutout.torch(x, y, torch.rand(4, 3), rate=0.5, layout=Layout(groups=(0, 1, 2)))[1] is y
