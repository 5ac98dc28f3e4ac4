"""What DropBlock's card claims: the blocks of torchvision and timm, exact rates, the mean, blocks of any size."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import functional

from bridle import DropBlock, Dropout
from bridle.seeded_draws import Noise

EDGE = 0.9999  # noise of which no block begins


def dropped(h, noise, rate, block):
    """Both forms."""
    ours = DropBlock.vanilla(h, noise, rate=rate, block=block)[0]
    theirs = DropBlock.torch(torch.from_numpy(h), torch.from_numpy(noise), rate=rate, block=block).numpy()
    return ours, theirs


def chance(rate, block, height, width):
    """Equation 1 of the paper: gamma, for a block that is cut to the map."""
    tall, wide = min(block, height), min(block, width)
    return rate * height * width / (tall * wide) / ((height - tall + 1) * (width - wide + 1))


def torchvision_drop_block(h, noise, rate, block):
    """torchvision.ops.drop_block2d, with its Bernoulli numbers made from the same noise."""
    height, width = h.shape[2:]
    block = min(block, width, height)
    gamma = (rate * height * width) / ((block**2) * ((height - block + 1) * (width - block + 1)))
    begins = (noise[:, :, : height - block + 1, : width - block + 1] < gamma).to(h.dtype)
    begins = functional.pad(begins, [block // 2] * 4, value=0)
    mask = 1 - functional.max_pool2d(begins, stride=(1, 1), kernel_size=(block, block), padding=block // 2)
    return h * mask * (mask.numel() / (1e-6 + mask.sum()))


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize(("block", "size"), [(1, (5, 4)), (3, (8, 8)), (3, (5, 9)), (5, (5, 5)), (7, (16, 12))])
def test_odd_blocks_are_those_of_torchvision(rate, block, size):
    random = np.random.default_rng(0)
    h, noise = random.normal(size=(8, 6, *size)), random.uniform(size=(8, 6, *size))
    theirs = torchvision_drop_block(torch.from_numpy(h), torch.from_numpy(noise), rate, block)
    for ours in dropped(h, noise, rate, float(block)):
        assert 0 < (ours == 0).sum() < ours.size
        assert_allclose(ours, theirs, rtol=1e-6)  # which adds 1e-6 to the number that stays


@pytest.fixture
def by_timm(timm, monkeypatch):
    """timm's DropBlock2d in training, with its Bernoulli numbers made from uniform noise."""

    def drop(h, noise, **knobs):
        monkeypatch.setattr(torch.Tensor, "bernoulli_", lambda made, chance: made.copy_(noise < chance))
        return timm.layers.DropBlock2d(**knobs)(h)

    return drop


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize(
    ("block", "size"), [(1, (5, 4)), (2, (6, 5)), (3, (5, 9)), (4, (8, 8)), (7, (16, 12)), (4, (3, 9)), (7, (1, 20))]
)
def test_blocks_inside_the_map_are_those_of_timm(by_timm, rate, block, size):
    random = np.random.default_rng(0)
    h, noise = random.normal(size=(8, 6, *size)), random.uniform(size=(8, 6, *size))
    # There a draw tells of a block's center (of an even side, what is right below it), here of its upper left corner.
    (tall, wide), (height, width) = (min(block, side) for side in size), size
    at_centers = np.full(h.shape, EDGE)
    at_centers[..., tall // 2 : tall // 2 + height - tall + 1, wide // 2 : wide // 2 + width - wide + 1] = noise[
        ..., : height - tall + 1, : width - wide + 1
    ]
    tensors = map(torch.from_numpy, (h, at_centers))
    theirs = by_timm(*tensors, drop_prob=rate, block_size=block, couple_channels=False)
    for ours in dropped(h, noise, rate, float(block)):
        assert 0 < (ours == 0).sum() < ours.size
        assert_allclose(ours, theirs, rtol=1e-6)  # which counts what stays in float32


def test_timm_drops_the_same_in_all_channels_unless_told_not_to(by_timm):
    h, noise = torch.ones(8, 6, 9, 9), torch.from_numpy(np.random.default_rng(0).uniform(size=(8, 6, 9, 9)))
    coupled = by_timm(h, noise[:, :1], drop_prob=0.3, block_size=3)
    assert (coupled == coupled[:, :1]).all()
    apart = by_timm(h, noise, drop_prob=0.3, block_size=3, couple_channels=False)
    assert not (apart == apart[:, :1]).all()


def test_blocks_of_timm_may_lie_half_outside_the_map(by_timm):
    noise = torch.full((1, 1, 6, 6), EDGE)
    noise[..., 0, 0] = 0.0
    out = by_timm(torch.ones(1, 1, 6, 6), noise, drop_prob=0.3, block_size=3)
    assert (out[0, 0] == 0).nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize("block", [1, 2, 3, 4, 6])
def test_one_draw_below_gamma_drops_one_square_block_at_its_lower_right(block):
    h, noise = np.ones((1, 1, 6, 6)), np.full((1, 1, 6, 6), EDGE)
    place = min(1, 6 - block)
    noise[..., place, place] = 0.0
    expected = np.zeros((6, 6), bool)
    expected[place : place + block, place : place + block] = True
    for out in dropped(h, noise, 0.3, float(block)):
        assert ((out[0, 0] == 0) == expected).all()


def test_no_block_begins_where_it_would_stick_out_of_the_map():
    noise = np.full((1, 1, 6, 6), 0.0)
    noise[..., :4, :4] = EDGE  # all places at which a block of 3 fits
    for out in dropped(np.ones((1, 1, 6, 6)), noise, 0.9, 3.0):
        assert (out == 1).all()


def test_no_block_begins_at_a_draw_that_equals_gamma():
    noise = np.full((1, 1, 4, 4), 0.25 * 16 / 4 / 9)
    for out in dropped(np.ones((1, 1, 4, 4)), noise, 0.25, 2.0):
        assert (out == 1).all()


@pytest.mark.parametrize(("block", "rounded"), [(1.4, 1), (1.6, 2), (2.5, 2), (3.5, 4), (100.0, 6)])
def test_a_block_is_rounded_to_pixels_and_cut_to_the_map(block, rounded):
    random = np.random.default_rng(0)
    h, noise = random.normal(size=(4, 3, 6, 6)), random.uniform(size=(4, 3, 6, 6))
    for fractional, whole in zip(dropped(h, noise, 0.3, block), dropped(h, noise, 0.3, float(rounded)), strict=True):
        assert np.array_equal(fractional, whole)


@pytest.mark.parametrize(("rate", "block"), [(0.1, 3), (0.5, 2), (0.9, 3)])
def test_a_pixel_stays_if_no_block_begins_at_any_of_the_places_that_reach_it(rate, block):
    maps, size = 4000, 8
    noise = Noise(seed=3).uniform(0, 40, maps // 40, size, size)
    gamma = chance(rate, block, size, size)
    begins = np.zeros((size, size))
    begins[: size - block + 1, : size - block + 1] = 1
    reach = np.array(
        [
            [begins[max(0, i - block + 1) : i + 1, max(0, j - block + 1) : j + 1].sum() for j in range(size)]
            for i in range(size)
        ]
    )
    stays = (1 - gamma) ** reach
    for out in dropped(np.ones(noise.shape), noise, rate, float(block)):
        share = (out != 0).mean((0, 1))
        assert (abs(share - stays) < 5 * np.sqrt(stays * (1 - stays) / maps) + 1e-4).all()


def test_were_there_no_overlap_the_rate_would_be_dropped():
    # One place only: a block as large as the map. And blocks so rare that two hardly ever meet.
    assert chance(0.3, 6, 6, 6) == pytest.approx(0.3)
    rate, block, size = 1e-4, 3, 12
    places = (size - block + 1) ** 2
    assert chance(rate, block, size, size) * places * block**2 == pytest.approx(rate * size**2)


def test_of_a_large_map_a_rate_of_a_half_drops_less():
    h = np.ones((20, 10, 64, 64))
    out = dropped(h, np.random.default_rng(0).uniform(size=h.shape), 0.5, 3.0)[1]
    assert (out == 0).mean() == pytest.approx(1 - math.exp(-0.5), abs=0.02)  # 0.39


@pytest.mark.parametrize("block", [1.0, 2.0, 5.0])
def test_the_mean_of_a_constant_is_kept_exactly(block):
    random = np.random.default_rng(0)
    for out in dropped(np.ones((8, 6, 7, 5)), random.uniform(size=(8, 6, 7, 5)), 0.5, block):
        assert 0 < (out == 0).sum() < out.size
        assert out.mean() == pytest.approx(1, rel=1e-14)


def test_without_positions_it_is_dropout_scaled_by_what_really_stays():
    random = np.random.default_rng(0)
    h, noise = random.normal(size=(50, 20)), random.uniform(size=(50, 20))
    plain = Dropout.vanilla(h, noise, rate=0.3)[0]
    for out in dropped(h[..., None, None], noise[..., None, None], 0.3, 7.0):
        assert_allclose(out[..., 0, 0] * (plain != 0).mean(), plain * 0.7, rtol=1e-13)


def test_a_sequence_loses_stretches():
    noise = np.full((1, 1, 1, 9), EDGE)
    noise[..., 2] = 0.0
    for out in dropped(np.ones((1, 1, 1, 9)), noise, 0.5, 3.0):
        assert (out[0, 0, 0] == 0).tolist() == [False, False, True, True, True, False, False, False, False]


def test_dropping_everything_gives_zeros():
    h, noise = np.ones((2, 3, 4, 4)), np.zeros((2, 3, 4, 4))
    for out in dropped(h, noise, 0.5, 2.0):
        assert (out == 0).all()
    assert (DropBlock.vanilla(h, noise, rate=0.5, block=2.0)[1](h)[0] == 0).all()


def test_a_stack_may_mix_rates_and_block_sizes():
    random = np.random.default_rng(0)
    seeds, shape = 2, (4, 3, 6, 5)
    h, noise = random.normal(size=(seeds, 3, *shape)), random.uniform(size=(seeds, 1, *shape))
    rates, blocks = (0.1, 0.5, 0.9), (1.0, 2.0, 7.0)
    columns = [torch.tensor(each, dtype=torch.float64).view(1, 3, 1, 1, 1, 1) for each in (rates, blocks)]
    together = DropBlock.torch(torch.from_numpy(h), torch.from_numpy(noise), rate=columns[0], block=columns[1])
    for seed in range(seeds):
        for variant, (rate, block) in enumerate(zip(rates, blocks, strict=True)):
            alone = DropBlock.vanilla(h[seed, variant], noise[seed, 0], rate=rate, block=block)[0]
            assert_allclose(together[seed, variant], alone, rtol=1e-13)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_evaluation_returns_the_very_same_activations(rate):
    unit = DropBlock(rate=rate)
    for h in (np.ones((2, 3, 4, 4)), torch.ones(2, 3, 4, 4)):
        assert unit.evaluate(h, **unit.numbers()) is h


def test_the_module_drops_blocks_of_images_and_sequences():
    module = DropBlock(rate=0.3, block=2.0).module(3, 4)
    torch.manual_seed(0)
    for shape in ((16, 3, 6, 6), (16, 3, 6)):
        out = module(torch.ones(shape))
        assert 0 < (out == 0).sum() < out.numel()
        assert out.mean().item() == pytest.approx(1, rel=1e-5)
