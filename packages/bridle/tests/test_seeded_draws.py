"""Random numbers: from the seed alone, one stream per purpose, shared by the recipes of a seed."""

import math
from itertools import islice

import numpy as np
import pytest

from bridle.seeded_draws import BATCHES, NOISE, TICKS, WEIGHTS, Noise, batch_orders, linear_weights, stream

COUNT = 20_000
SPREAD = 5  # standard deviations


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others():
    for draw in (
        lambda seed: linear_weights(seed, 0, 6, 3)[0],
        lambda seed: next(batch_orders(seed, 50, 10)),
        lambda seed: Noise(seed).ticks(0, 4, 5),
    ):
        assert np.array_equal(draw(1), draw(1))
        assert not np.array_equal(draw(1), draw(2))


def test_the_numbers_of_a_seed_never_change():
    # Saved studies are reproduced from their seeds: a change here is a change of every result.
    assert stream(0, WEIGHTS, 0).integers(1000, size=4).tolist() == [724, 568, 353, 234]
    assert next(batch_orders(0, 6, 2)).tolist() == [4, 5, 0, 3, 2, 1]
    assert Noise(0).ticks(0, 4).tolist() == [30706, 4066, 5370, 60276]


def test_global_random_numbers_are_neither_used_nor_moved():
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    one = Noise(0).ticks(0, 3), linear_weights(0, 0, 2, 2), next(batch_orders(0, 9, 3))
    assert np.random.random() == expected
    other = Noise(0).ticks(0, 3), linear_weights(0, 0, 2, 2), next(batch_orders(0, 9, 3))
    assert str(one) == str(other)


def test_streams_of_different_purposes_keys_and_seeds_are_independent():
    streams = [
        stream(seed, purpose, key).random(COUNT)
        for seed in (0, 1)
        for purpose in (WEIGHTS, BATCHES, NOISE)
        for key in (1, 2)
    ]
    correlations = np.corrcoef(streams) - np.eye(len(streams))
    assert np.abs(correlations).max() < SPREAD / math.sqrt(COUNT)


def test_noise_of_different_spots_and_seeds_is_independent():
    drawn = [Noise(seed).uniform(stream_id, COUNT) for seed in (0, 1, 2) for stream_id in (0, 1, 2)]
    assert np.abs(np.corrcoef(drawn) - np.eye(9)).max() < SPREAD / math.sqrt(COUNT)


def test_a_spot_keeps_its_noise_whatever_the_other_spots_draw():
    alone, among = Noise(7), Noise(7)
    for _ in range(3):
        among.ticks(0, 5, 5)
        assert np.array_equal(alone.ticks(1, 4, 3), among.ticks(1, 4, 3))


def test_noise_moves_on_from_step_to_step():
    noise = Noise(0)
    assert not np.array_equal(noise.ticks(0, 8, 8), noise.ticks(0, 8, 8))


def test_recipes_of_one_seed_share_their_noise():
    gentle, strong = Noise(4).ticks(0, 50, 20) / TICKS < 0.2, Noise(4).ticks(0, 50, 20) / TICKS < 0.5
    assert gentle.any()
    assert not (gentle & ~strong).any()  # what a rate of 0.2 drops, 0.5 drops too


@pytest.mark.parametrize("shape", [(1,), (3,), (4,), (5,), (7, 3), (2, 3, 4), (0,)])
def test_noise_comes_in_the_shape_asked_for(shape):
    ticks = Noise(0).ticks(0, *shape)
    assert ticks.shape == shape
    assert ticks.dtype == np.uint16


def test_noise_is_uniform_on_all_ticks():
    ticks = Noise(0).ticks(0, 1_000_000)
    counts = np.bincount(ticks // 1024, minlength=64)
    deviation = math.sqrt(1_000_000 / 64 * (1 - 1 / 64))
    assert len(counts) == 64
    assert np.abs(counts - 1_000_000 / 64).max() < SPREAD * deviation
    assert set((ticks % 16).tolist()) == set(range(16))
    uniform = Noise(0).uniform(0, 1_000_000)
    assert np.array_equal(uniform * TICKS, ticks)
    assert 0 <= uniform.min() < uniform.max() < 1


@pytest.mark.parametrize(("rows", "batch_size"), [(10, 3), (12, 4), (7, 7), (5, 64), (65, 64), (1, 2)])
def test_an_epoch_is_whole_batches_of_different_rows(rows, batch_size):
    size = min(batch_size, rows)
    for order in islice(batch_orders(0, rows, batch_size), 5):
        assert len(order) == rows // size * size
        assert len(set(order.tolist())) == len(order)
        assert set(order.tolist()) <= set(range(rows))


def test_rows_left_out_of_one_epoch_are_met_in_others():
    orders = [set(order.tolist()) for order in islice(batch_orders(0, 10, 4), 30)]
    assert all(len(order) == 8 for order in orders)
    assert set.union(*orders) == set(range(10))
    assert len({frozenset(order) for order in orders}) > 1


def test_epochs_are_shuffled_anew():
    first, second = islice(batch_orders(0, 100, 10), 2)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, np.sort(first))


def test_initial_weights_are_uniform_in_the_bounds_of_torch():
    weight, bias = linear_weights(0, 1, inputs=100, outputs=400)
    assert weight.shape == (400, 100)
    assert bias.shape == (400,)
    assert weight.dtype == bias.dtype == np.float64
    bound = 1 / math.sqrt(100)
    for drawn in (weight, bias):
        assert 0.9 * bound < np.abs(drawn).max() <= bound
        assert abs(drawn.mean()) < SPREAD * bound / math.sqrt(3 * drawn.size)
    assert weight.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_initial_weights_of_two_layers_differ():
    assert not np.array_equal(linear_weights(0, 0, 5, 5)[0], linear_weights(0, 1, 5, 5)[0])
