"""The random numbers that a whole program shares are left as they were, whatever is trained or attached."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import bridle
from bridle import CATALOG, Data, Protocol, Recipe, engine
from bridle.global_seeds import SeededStream, seeded
from bridle.networks import convnet, mlp, residual_mlp
from bridle.protocol import Variant
from bridle_audit.probe.randomness import GeneratorStates, generators_restored


def drawn() -> list[float]:
    return [random.random(), float(np.random.random()), float(np.random.normal()), torch.rand(()).item()]


def test_what_is_drawn_within_moves_nothing() -> None:
    before = GeneratorStates.current()
    with generators_restored():
        first = drawn()
    assert GeneratorStates.current() == before
    assert drawn() == first
    assert GeneratorStates.current() != before


def test_a_seed_begins_anew_and_a_stream_goes_on() -> None:
    before = GeneratorStates.current()
    with seeded(3):
        whole = [drawn(), drawn()]
    stream = SeededStream(3)
    parts = []
    for _ in range(2):
        with stream.resumed():
            parts.append(drawn())
        drawn_between = drawn()
        assert drawn_between not in whole
        before_next = GeneratorStates.current()
    assert parts == whole
    assert GeneratorStates.current() == before_next != before


def test_numbers_are_those_of_torchs_own_seed() -> None:
    with seeded(5):
        ours = torch.rand(3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        assert torch.equal(torch.rand(3), ours)


class Draws(nn.Module):
    """As it is made, and in every pass, it draws from all three."""

    def __init__(self) -> None:
        super().__init__()
        drawn()
        self.linear = nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.linear(x.flatten(1) + sum(drawn()))
        return out


@pytest.fixture(scope="module")
def images() -> Data:
    x = np.random.default_rng(0).normal(size=(60, 8, 8))
    y = np.arange(60) % 2
    return Data(x[:40], y[:40], x[40:], y[40:])


@pytest.mark.filterwarnings("ignore:.*one by one")
@pytest.mark.parametrize("network", [mlp(8), residual_mlp(8, 1), convnet(2), Draws], ids=str)
def test_training_moves_nothing(images: Data, network: Any) -> None:
    before = GeneratorStates.current()
    bridle.train(images, "BatchNorm + SWA(start=0.5)", network, Protocol(epochs=1))
    assert GeneratorStates.current() == before
    bridle.compare(images, ["Dropout"], 1, network, Protocol(epochs=1))
    assert GeneratorStates.current() == before
    engine.make_stack(images, [Variant(Recipe(), 0)], network, Protocol(epochs=1)).step()
    assert GeneratorStates.current() == before


def model() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 8), nn.ReLU(), nn.Linear(8, 2)
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("name", [name for name in CATALOG if name != "StochasticDepth"])
def test_attaching_and_detaching_move_nothing(name: str, seed: int | None) -> None:
    network = model()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    example, loss = torch.zeros(2, 1, 8, 8), nn.CrossEntropyLoss()
    before = GeneratorStates.current()
    handle = bridle.attach(network, optimizer, name, steps=10, example=example, loss=loss, seed=seed)
    assert GeneratorStates.current() == before
    handle.step(torch.ones(8, 1, 8, 8), torch.tensor([0, 1] * 4))
    before = GeneratorStates.current()
    handle.detach(discard=True)
    assert GeneratorStates.current() == before
