"""The engine runs on one thread where that is faster, and leaves torch's setting as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch

from bridle import engine
from bridle.data import Data
from bridle.engine.threads import TRIALS, Threads
from bridle.networks import mlp
from bridle.protocol import Protocol


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("fast", [1, 2])
def test_a_trial_finds_the_faster_number_of_threads(fast: int) -> None:
    threads, used = Threads(), []

    def step() -> None:
        used.append(torch.get_num_threads())
        time.sleep(0.001 if torch.get_num_threads() == fast else 0.05)

    with threads.chosen():
        assert len(list(threads.steps(step, 12, trial=True))) == 12
    assert used == [2, 1] * TRIALS + [fast] * (12 - 2 * TRIALS)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_trials_are_made_in_the_first_epoch_and_now_and_then() -> None:
    assert [epoch for epoch in range(1, 20) if Threads().due(epoch)] == [1, 9, 17]
    torch.set_num_threads(1)
    assert not Threads().due(1)


@pytest.mark.usefixtures("two_threads")
def test_training_leaves_torchs_setting_alone(digits: Data) -> None:
    engine.train(digits, None, mlp(8), Protocol(epochs=2))
    assert torch.get_num_threads() == 2
