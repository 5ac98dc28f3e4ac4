"""What ElasticDistortion's card claims: smoothed displacements as SciPy makes them, torchvision's at half its alpha."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose
from scipy import ndimage

from bridle import ElasticDistortion
from bridle.feature_layout import Layout
from bridle.seeded_draws import Noise

SIDE = 48
INNER = (slice(12, -12), slice(12, -12))  # as far from the border as no kernel reaches
LAYOUT = Layout((1, SIDE, SIDE))
PLACES = np.arange(SIDE, dtype=float)


def distorted(images, down, right, *, strength, spread, layout=LAYOUT):
    """Both forms on images (batch, channels, height, width); that they agree."""
    x = images.reshape(len(images), -1)
    words = {"strength": strength, "spread": spread, "layout": layout}
    ours = ElasticDistortion.vanilla(x, x, down, right, **words)[0]
    theirs = ElasticDistortion.torch(*map(torch.from_numpy, (x, x, down, right)), **words)[0]
    assert_allclose(theirs, ours, atol=1e-11)
    return ours.reshape(images.shape)


def noise(rows=1, seed=0):
    return Noise(seed).uniform(0, 2, rows, SIDE**2)


def smoothed(drawn, spread):
    """SciPy's Gaussian filter of uniform numbers in ±1."""
    return ndimage.gaussian_filter(2 * drawn.reshape(SIDE, SIDE) - 1, spread, truncate=8)


def displacements(drawn, **knobs):
    """By how much the pixels of an image move to the right: one whose values are its columns tells."""
    ramp = np.broadcast_to(PLACES, (len(drawn), 1, SIDE, SIDE))
    still = np.full_like(drawn, 0.5)
    return (distorted(ramp, still, drawn, **knobs) - ramp)[:, 0, *INNER]


def test_away_from_the_border_images_are_those_of_scipy():
    image, (down, right) = np.random.default_rng(0).normal(size=(1, 1, SIDE, SIDE)), noise()
    rows = PLACES[:, None] + 6 * smoothed(down, 1.2)
    columns = PLACES + 6 * smoothed(right, 1.2)
    theirs = ndimage.map_coordinates(image[0, 0], [rows, columns], order=1, mode="grid-constant")
    ours = distorted(image, down, right, strength=6.0, spread=1.2)
    assert abs(theirs - image[0, 0])[INNER].max() > 1
    assert_allclose(ours[0, 0][INNER], theirs[INNER], atol=1e-10)


def test_away_from_the_border_images_are_those_of_torchvision_at_twice_the_strength():
    image, (down, right) = np.random.default_rng(0).normal(size=(1, 1, SIDE, SIDE)), noise()
    alpha, sigma = 12.0, 1.2
    grid = (2 * PLACES + 1) / SIDE - 1
    columns = grid + alpha * smoothed(right, sigma) / SIDE
    rows = grid[:, None] + alpha * smoothed(down, sigma) / SIDE
    theirs = F.grid_sample(
        torch.from_numpy(image), torch.from_numpy(np.stack([columns, rows], -1))[None], align_corners=False
    )
    ours = distorted(image, down, right, strength=alpha / 2, spread=sigma)
    assert_allclose(ours[0, 0][INNER], theirs[0, 0][INNER], atol=1e-10)


@pytest.mark.parametrize(("strength", "spread"), [(34.0, 4.0), (10.0, 1.0)])
def test_pixels_move_by_about_the_strength_over_six_spreads(strength, spread):
    moved = displacements(noise(rows=60)[0], strength=strength, spread=spread)
    assert math.sqrt((moved**2).mean()) == pytest.approx(strength / (6.1 * spread), rel=0.06)


def test_the_larger_the_spread_the_more_alike_neighbors_move():
    alike = []
    for spread in (0.3, 1.0, 4.0):
        moved = displacements(noise(rows=20)[0], strength=1.0, spread=spread)
        alike.append(np.corrcoef(moved[:, :, 1:].ravel(), moved[:, :, :-1].ravel())[0, 1])
    assert alike[0] < 0.1 < alike[1] < 0.9 < alike[2]


def test_noise_that_is_the_same_everywhere_shifts_the_image_and_zeros_come_in():
    image = np.random.default_rng(0).normal(size=(1, 1, SIDE, SIDE))
    three, minus_two = np.full((1, SIDE**2), 0.875), np.full((1, SIDE**2), 0.25)
    ours = distorted(image, three, minus_two, strength=4.0, spread=2.0)[0, 0]
    expected = np.zeros((SIDE, SIDE))
    expected[:-3, 2:] = image[0, 0, 3:, :-2]
    assert_allclose(ours, expected, atol=1e-12)


def test_the_channels_of_a_pixel_move_together_and_every_row_in_its_own_way():
    layout = Layout((3, 10, 14))
    images = np.tile(np.random.default_rng(0).normal(size=(1, 1, 10, 14)), (2, 3, 1, 1))
    down, right = Noise(0).uniform(0, 2, 2, 420)
    ours = distorted(images, down, right, strength=10.0, spread=2.0, layout=layout)
    assert np.array_equal(ours[:, 0], ours[:, 1])
    assert np.array_equal(ours[:, 0], ours[:, 2])
    assert not np.allclose(ours[0], ours[1], atol=0.1)


def test_pixels_moved_out_of_the_image_altogether_are_zero():
    image, up = np.ones((1, 1, SIDE, SIDE)), np.zeros((1, SIDE**2))
    assert not distorted(image, up, up, strength=1e6, spread=4.0).any()


def test_in_a_stack_each_recipe_has_its_own_spread_on_the_rows_of_its_seed():
    layout, random = Layout((2, 6, 9)), torch.Generator().manual_seed(0)
    x, down, right = torch.rand(3, 2, 1, 4, 108, generator=random, dtype=torch.float64)
    spreads = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)
    column = spreads.view(1, 3, 1, 1)
    stacked = ElasticDistortion.torch(x, x, down, right, strength=8 * column, spread=column, layout=layout)[0]
    for seed in range(2):
        for recipe, spread in enumerate(spreads.tolist()):
            given = (x[seed, 0], x, down[seed, 0], right[seed, 0])
            alone = ElasticDistortion.torch(*given, strength=8 * spread, spread=spread, layout=layout)[0]
            assert_allclose(stacked[seed, recipe], alone, atol=1e-12)
