"""What ImageShift's card claims: the padding and random crop of image training, whole pixels, zeros moved in."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from bridle import ImageShift
from bridle.feature_layout import Layout
from bridle.seeded_draws import Noise

SIDE, PADDING = 8, 2
OFFSETS = 2 * PADDING + 1


def shift(images, down, right, limit=PADDING / SIDE):
    """Both forms on images (batch, channels, height, width), noise (batch,) each; that they agree."""
    layout = Layout(images.shape[1:])
    x, noise = images.reshape(len(images), -1), (down[:, None], right[:, None])
    ours = ImageShift.vanilla(x, x, *noise, limit=limit, layout=layout)[0]
    given = map(torch.from_numpy, (x, x, *noise))
    assert np.array_equal(ours, ImageShift.torch(*given, limit=limit, layout=layout)[0])
    return ours.reshape(images.shape)


def test_all_shifts_are_the_crops_of_the_padded_image():
    images = np.random.default_rng(0).normal(size=(OFFSETS**2, 3, SIDE, SIDE))
    down, right = (each.ravel() for each in np.meshgrid(*2 * [(np.arange(OFFSETS) + 0.5) / OFFSETS], indexing="ij"))
    shifted = shift(images, down, right)
    padded = F.pad(torch.from_numpy(images), 4 * [PADDING]).numpy()
    for number, (i, j) in enumerate(np.ndindex(OFFSETS, OFFSETS)):
        top, left = OFFSETS - 1 - i, OFFSETS - 1 - j
        assert np.array_equal(shifted[number], padded[number, :, top : top + SIDE, left : left + SIDE])


def test_every_shift_is_equally_likely():
    rows = 5000
    images = np.zeros((rows, 1, SIDE, SIDE))
    images[:, 0, 4, 4] = 1.0
    down, right = Noise(seed=0).uniform(0, 2, rows)
    counts = shift(images, down, right).sum(0)[0]
    seen = counts[4 - PADDING : 4 + PADDING + 1, 4 - PADDING : 4 + PADDING + 1]
    assert seen.sum() == rows
    assert stats.chisquare(seen.ravel()).pvalue > 1e-4


@pytest.mark.parametrize(("limit", "most"), [(0.05, 0), (0.07, 1), (0.125, 1), (0.3, 2), (1.0, 8)])
def test_the_limit_is_rounded_to_whole_pixels(limit, most):
    images = np.zeros((2, 1, SIDE, 3 * SIDE))
    images[:, 0, :, SIDE] = np.arange(1.0, SIDE + 1)
    ends = np.array([0.0, 0.99999])
    shifted = shift(images, ends, np.full(2, 0.5), limit=limit)[:, 0, :, SIDE]
    assert np.array_equal(shifted[0], [*range(most + 1, SIDE + 1), *most * [0]])
    assert np.array_equal(shifted[1], [*most * [0], *range(1, SIDE + 1 - most)])


def test_the_limit_is_a_share_of_each_side():
    images = np.zeros((1, 1, 4, 40))
    images[0, 0, 0, 0] = 1.0
    shifted = shift(images, np.array([0.99999]), np.array([0.99999]), limit=0.25)
    assert np.argwhere(shifted[0, 0]).tolist() == [[1, 10]]


def test_in_a_stack_each_recipe_has_its_own_limit_on_the_rows_of_its_seed():
    layout, random = Layout((1, SIDE, SIDE)), torch.Generator().manual_seed(0)
    x = torch.randn(2, 1, 6, SIDE**2, generator=random)
    down, right = torch.rand(2, 2, 1, 6, 1, generator=random)
    limits = torch.tensor([0.0, 0.25, 0.5])
    stacked = ImageShift.torch(x, x, down, right, limit=limits.view(1, 3, 1, 1), layout=layout)[0]
    for seed in range(2):
        for recipe, limit in enumerate(limits.tolist()):
            alone = ImageShift.torch(x[seed, 0], x, down[seed, 0], right[seed, 0], limit=limit, layout=layout)[0]
            assert torch.equal(stacked[seed, recipe], alone)
    assert torch.equal(stacked[:, 0], x[:, 0])
    assert not torch.equal(stacked[:, 1], stacked[:, 2])
