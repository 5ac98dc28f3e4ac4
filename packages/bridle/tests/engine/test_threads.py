"""The number of threads of a stack is a matter of its size alone, and torch's setting is left as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from bridle import engine
from bridle.data import Data
from bridle.engine.stack import Stack
from bridle.engine.threads import LARGE, limited_threads, threads_for
from bridle.networks import convnet, mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    with limited_threads(2):
        yield


def test_large_stacks_have_all_threads_and_small_ones_one() -> None:
    assert [threads_for(products) for products in (1, LARGE - 1, LARGE, 10 * LARGE)] == [1, 1, 2, 2]


def test_outside_torchs_own_setting_holds() -> None:
    with pytest.raises(RuntimeError), limited_threads(1):
        assert torch.get_num_threads() == 1
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_training_leaves_torchs_setting_alone(digits: Data) -> None:
    engine.train(digits, None, mlp(8), Protocol(epochs=2))
    assert torch.get_num_threads() == 2


def test_the_products_of_a_forward_pass_are_counted(digits: Data, images: Data) -> None:
    members = [Variant(Recipe.parse(recipe), seed) for recipe in ("none", "BatchNorm") for seed in range(3)]
    protocol = Protocol(batch_size=50, epochs=1)
    assert engine.make_stack(digits, members, mlp(16, 8), protocol).multiply_adds == 6 * 50 * (
        64 * 16 + 16 * 8 + 8 * 10
    )
    pooled = 64  # of 4 channels, 4 x 4 values
    found = engine.make_stack(images, members, convnet(4), protocol).multiply_adds
    assert found == 6 * 50 * (8 * 8 * 4 * 9 + pooled * 10)  # 3 x 3 weights at each of 8 x 8 pixels


@pytest.mark.parametrize("slow", [1, 2])
def test_the_number_of_threads_does_not_depend_on_what_is_fast_just_now(digits, monkeypatch, slow):
    used, clock, step = [], [0.0], Stack.step

    def timed(stack, **options):
        used.append(torch.get_num_threads())
        clock[0] += 10.0 if used[-1] == slow else 0.01
        return step(stack, **options)

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(Stack, "step", timed)
    engine.train(digits, None, mlp(8), Protocol(epochs=9))
    assert set(used) == {1}
