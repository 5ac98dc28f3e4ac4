"""What CutMix's card claims: the boxes of the paper, targets by what was really pasted, categories kept whole."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import stats

from bridle import CutMix
from bridle.feature_layout import Layout
from bridle.regularizers.batch import cut_mix as file
from bridle.seeded_draws import TICKS, Noise

SIDE = 32
IMAGE = Layout((1, SIDE, SIDE))
ZERO = np.zeros((1, 1))


def both_forms(x, y, *noise, **words):
    """The mixed batch of the NumPy form, after a look whether the PyTorch form's is the same."""
    rows, targets = CutMix.vanilla(x, y, *noise, **words)
    theirs = CutMix.torch(*map(torch.from_numpy, (x, y, *noise)), **words)
    assert_allclose(theirs[0], rows)
    assert_allclose(theirs[1], targets)
    return rows, targets


@pytest.fixture
def of_area(monkeypatch):
    """A function that fixes the area of the next boxes."""

    def fix(area):
        monkeypatch.setattr(file, "beta_vanilla", lambda *_: np.full((1, 1), area))
        monkeypatch.setattr(file, "beta", lambda *_: torch.full((1, 1), area, dtype=torch.float64))

    return fix


def box_of_the_paper(cut, center_x, center_y):
    """Its code: ``rand_bbox``, for a box of ``cut`` pixels; as a mask (side, side)."""
    left, right = np.clip([center_x - cut // 2, center_x + cut // 2], 0, SIDE)
    top, bottom = np.clip([center_y - cut // 2, center_y + cut // 2], 0, SIDE)
    mask = np.zeros((SIDE, SIDE))
    mask[top:bottom, left:right] = 1
    return mask


@pytest.mark.parametrize("cut", [2, 10, 16, 30])
def test_boxes_are_those_of_the_papers_code(cut, of_area):
    of_area((cut / SIDE) ** 2)
    x = np.stack([np.zeros(SIDE**2), np.ones(SIDE**2)])
    for center_x, center_y in np.random.default_rng(0).integers(SIDE, size=(30, 2)):
        spots = np.full(x.shape, 0.5)
        spots[:, 0], spots[:, -1] = center_y / SIDE, center_x / SIDE
        rows, targets = both_forms(x, np.eye(2), ZERO, ZERO, ZERO, spots, rate=1.0, alpha=1.0, layout=IMAGE)
        mask = box_of_the_paper(cut, center_x, center_y)
        assert np.array_equal(rows[0].reshape(SIDE, SIDE), mask)
        assert np.array_equal(rows[1].reshape(SIDE, SIDE), 1 - mask)
        assert_allclose(targets[0], [1 - mask.mean(), mask.mean()], atol=1e-15)


@pytest.fixture
def by_timm(timm, monkeypatch):
    """timm's Mixup of images (rows, channels, height, width) and ids, with every draw given."""

    def mix(x, ids, *, coin, area, center, alpha, rate):
        draws = iter(center)
        monkeypatch.setattr(np.random, "rand", lambda: coin)
        monkeypatch.setattr(np.random, "beta", lambda *parameters: {(alpha, alpha): 1 - area}[parameters])
        monkeypatch.setattr(np.random, "randint", lambda low, high, size: next(draws))
        theirs = timm.data.Mixup(0.0, cutmix_alpha=alpha, prob=rate, label_smoothing=0.0, num_classes=max(ids) + 1)
        # There the partners are the batch from its end: so what is pasted, the rows before, stands behind the batch.
        twice = [np.concatenate([each, np.roll(each, 1, axis=0)[::-1]]) for each in (x, ids)]
        return [each[: len(x)] for each in theirs(*map(torch.from_numpy, twice))]

    return mix


@pytest.mark.parametrize("cut", [1, 2, 5, 7])
def test_boxes_are_those_of_timm_if_every_row_has_the_same(cut, of_area, by_timm):
    channels, height, width = 2, 32, 24
    sides, area = (height * cut // 8, width * cut // 8), ((cut + 0.1) / 8) ** 2  # a bit more: timm rounds down
    of_area(area)
    random = np.random.default_rng(0)
    x, ids = random.normal(size=(6, channels, height, width)), np.arange(6)
    for center in random.integers((height, width), size=(30, 2)):
        rows, targets = by_timm(x, ids, coin=0.0, area=area, center=center, alpha=0.3, rate=1.0)
        spots = np.full((6, channels * height * width), 0.5)
        # A box of an odd side has its center in that of a pixel; one of an even side between two.
        (spots[:, 0], spots[:, -1]) = (center + np.remainder(sides, 2) / 2) / (height, width)
        flat, layout = x.reshape(6, -1), Layout((channels, height, width))
        ours = both_forms(flat, np.eye(6), ZERO, ZERO, ZERO, spots, rate=1.0, alpha=0.3, layout=layout)
        assert np.array_equal(ours[0].reshape(x.shape), rows)
        assert_allclose(ours[1], targets, atol=1e-6)  # in float32
        assert 0 < (rows.numpy() != x).mean() < 1


@pytest.mark.parametrize("coin", [0.3, 0.6])
def test_the_rate_is_the_prob_of_timm(coin, of_area, by_timm):
    of_area(0.25)
    x, spots, noise = np.arange(4.0)[:, None] * np.ones(SIDE**2), np.full((4, SIDE**2), 0.5), np.full((1, 1), coin)
    images = x.reshape(4, 1, SIDE, SIDE)
    rows, targets = by_timm(images, np.arange(4), coin=coin, area=0.25, center=(16, 16), alpha=1.0, rate=0.5)
    ours = both_forms(x, np.eye(4), noise, ZERO, ZERO, spots, rate=0.5, alpha=1.0, layout=IMAGE)
    assert np.array_equal(ours[0].reshape(images.shape), rows)
    assert_allclose(ours[1], targets)
    assert (targets[0, 0] == 1) == (coin > 0.5)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_the_area_is_of_the_beta_law(alpha):
    u, v = Noise(seed=1).uniform(0, 2, 4000)
    law = stats.beta(alpha, alpha)
    assert stats.kstest(file.beta_vanilla(u, v, alpha), law.cdf).pvalue > 1e-4
    theirs = file.beta(torch.from_numpy(u), torch.from_numpy(v), alpha)
    assert_allclose(theirs, file.beta_vanilla(u, v, alpha), atol=1e-14)


@pytest.mark.parametrize("u", [0.0, 1 - 2.0**-24])
@pytest.mark.parametrize("v", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("alpha", [1e-30, 1.0, 1e30])
def test_every_draw_gives_an_area(u, v, alpha):
    for dtype in (torch.float32, torch.float64):
        theirs = file.beta(torch.full((1, 1), u, dtype=dtype), torch.full((1, 1), v, dtype=dtype), alpha)
        assert 0 <= theirs.item() <= 1
    assert 0 <= file.beta_vanilla(np.full((1, 1), u), np.full((1, 1), v), alpha).item() <= 1


def test_a_box_inside_the_image_has_the_area_drawn():
    u, v = np.array([[0.3]]), np.array([[0.2]])
    area = file.beta_vanilla(u, v, 1.0).item()
    assert 0.5 < area < 0.8
    layout = Layout((1, 200, 200))
    x = np.stack([np.zeros(40000), np.ones(40000)])
    spots = np.full(x.shape, 0.5)
    targets = both_forms(x, np.eye(2), ZERO, u, v, spots, rate=1.0, alpha=1.0, layout=layout)[1]
    assert targets[0, 1] == pytest.approx(area, abs=0.01)


def test_the_channels_of_a_pixel_go_together(of_area):
    of_area(0.25)
    layout, random = Layout((3, 8, 8)), np.random.default_rng(0)
    x = np.stack([np.zeros(192), np.ones(192)])
    spots = random.uniform(size=x.shape)
    rows, targets = both_forms(x, np.eye(2), ZERO, ZERO, ZERO, spots, rate=1.0, alpha=1.0, layout=layout)
    masks = rows[0].reshape(3, 64)
    assert 0 < masks.mean() < 1
    assert (masks == masks[0]).all()
    assert_allclose(targets[0, 1], masks.mean())


def people(rows):
    """Rows of a table with an amount, a category of three columns and one of two; the layout."""
    random = np.random.default_rng(0)
    amount = random.normal(size=(rows, 1))
    x = np.hstack([amount, np.eye(3)[random.integers(3, size=rows)], np.eye(2)[random.integers(2, size=rows)]])
    return x, Layout(groups=(0, 1, 1, 1, 2, 2))


def test_in_a_table_categories_are_kept_whole(of_area):
    of_area(0.4)
    x, layout = people(300)
    spots = np.random.default_rng(1).uniform(size=x.shape)
    rows = both_forms(x, x[:, :2], ZERO, ZERO, ZERO, spots, rate=1.0, alpha=1.0, layout=layout)[0]
    assert (rows[:, 1:4].sum(1) == 1).all()
    assert (rows[:, 4:].sum(1) == 1).all()
    assert not np.array_equal(rows, x)


def test_in_a_table_a_category_counts_as_one_column(of_area):
    of_area(0.4)
    x, layout = people(300)
    ids = np.arange(300.0)[:, None]
    spots = np.random.default_rng(1).uniform(size=x.shape)
    own, other = np.hstack([ids, ids, ids, ids, ids, ids]), np.roll(ids, 1)
    rows, targets = both_forms(own, np.eye(300), ZERO, ZERO, ZERO, spots, rate=1.0, alpha=1.0, layout=layout)
    share = (rows[:, [0, 1, 4]] == other).mean(1)
    assert set(np.round(share * 3)) == {0, 1, 2, 3}
    assert_allclose(targets[np.arange(300), np.arange(300) - 1], share)
    assert_allclose(targets.sum(1), 1)


def test_in_a_table_the_share_replaced_is_the_area_on_average(of_area):
    of_area(0.3)
    rows, columns = 400, 50
    spots = np.random.default_rng(1).uniform(size=(rows, columns))
    x, layout = np.zeros((rows, columns)), Layout(groups=tuple(range(columns)))
    targets = both_forms(x, np.eye(rows), ZERO, ZERO, ZERO, spots, rate=1.0, alpha=1.0, layout=layout)[1]
    replaced = 1 - np.diag(targets)
    assert replaced.mean() == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / x.size))


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_the_rate_is_the_fraction_of_batches_that_are_mixed(rate, of_area):
    of_area(1.0)
    x, layout = np.array([[0.0], [1.0]]), Layout(groups=(0,))
    coins = np.arange(0, TICKS, 64) / TICKS  # every outcome alike often
    mixed = [
        CutMix.vanilla(x, x, np.full((1, 1), coin), ZERO, ZERO, x / 2, rate=rate, alpha=1.0, layout=layout)[0][0, 0]
        for coin in coins
    ]
    assert np.mean(mixed) == rate


def test_a_row_replaced_altogether_has_the_others_target_to_the_bit(of_area):
    of_area(1.0)
    x, y = np.zeros((2, 7)), np.array([[0.1, 0.9], [0.7, 0.3]])
    layout = Layout(groups=tuple(range(7)))
    assert np.array_equal(both_forms(x, y, ZERO, ZERO, ZERO, x, rate=1.0, alpha=1.0, layout=layout)[1], y[::-1])
