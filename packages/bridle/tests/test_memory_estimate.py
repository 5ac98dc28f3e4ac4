"""Runs that would not fit the memory, and seeds, networks and data that are none, get a sentence first."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import bridle
from bridle import Data, Protocol, memory, memory_estimate
from bridle.networks import convnet, mlp, residual_mlp

GIB = 2**30


@pytest.fixture(autouse=True)
def two_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 2 * GIB)


@pytest.fixture(scope="module")
def images() -> Data:
    x, y = np.random.default_rng(0).normal(size=(40, 8, 8)), np.arange(40) % 2
    return Data(x, y, x[::2], y[::2])


class NeedsWidth(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width


@pytest.fixture
def few_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever makes more than a hundred layers fails at once."""
    begin, number = nn.Module.__init__, itertools.count(1)

    def counted(layer: nn.Module, *given: Any, **options: Any) -> None:
        assert next(number) <= 100
        begin(layer, *given, **options)

    monkeypatch.setattr(nn.Module, "__init__", counted)


@pytest.mark.usefixtures("few_layers")
@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (lambda: mlp(10**6, 10**6), r"with its 1,000,068,000,002 parameters would take about .* and 2.0 GiB are free"),
        (lambda: residual_mlp(10**6, 2), "would take about"),
        (lambda: convnet(10**5, 10**5), "would take about"),
        (lambda: convnet(10**12, 10**12), "more weights than can be counted"),
        (lambda: mlp(*[8] * 2000), "mlp: at most 1,000 layers with weights, got 2,001"),
        (lambda: residual_mlp(8, 10**9), "residual_mlp: at most 1,000 layers"),
        (
            lambda: lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10**6), nn.Linear(10**6, 10**6)),
            "1,000,000,000,000",
        ),
        (lambda: lambda: nn.Embedding(2 * 10**8, 1), "a network with 200,000,000 weights would take about 3.7 GiB"),
        (
            lambda: NeedsWidth,
            r"NeedsWidth needs some .*; write network=lambda: NeedsWidth",
        ),
        (lambda: nn.Linear(64, 2), "got a Linear that is made already; every run needs its own"),
        (lambda: lambda: 3, "this function returned 3"),
        (lambda: 3, "or a function that returns an nn.Module, got 3"),
        (lambda: "mlp(8", "cannot read the network 'mlp"),
    ],
)
def test_train_and_compare_refuse_a_network_with_the_same_sentence(images: Data, network: Any, sentence: str) -> None:
    for call in (
        lambda: bridle.train(images, None, network(), Protocol(epochs=1)),
        lambda: bridle.compare(images, [], 1, network(), Protocol(epochs=1)),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True, None, 2**63])
def test_a_seed_that_is_none_gets_a_sentence(images: Data, seed: Any) -> None:
    with pytest.raises(ValueError, match=r"a seed must be a whole number from 0 to 2\*\*63 - 1, got"):
        bridle.train(images, seed=seed)


@pytest.mark.parametrize(
    "seeds", [0, -1, 1.0, "5", b"5", None, [], [-1], [1.5], [0, 0], range(-3, 0), itertools.count(), 10**40]
)
def test_seeds_that_are_none_get_a_sentence(images: Data, seeds: Any) -> None:
    with pytest.raises(ValueError, match="seeds must be how many"):
        bridle.compare(images, seeds=seeds)


@pytest.mark.parametrize("seeds", [10**9, range(10**9)])
def test_a_billion_seeds_are_refused_before_they_are_listed(images: Data, seeds: Any) -> None:
    with pytest.raises(ValueError, match=r"what is kept of 6,000,000,000 runs of 3,200 epochs would take about"):
        bridle.compare(images, seeds=seeds)


def test_a_billion_epochs_are_refused(images: Data) -> None:
    with pytest.raises(ValueError, match=r"1 run of 1,000,000,000 epochs would take about 178.8 GiB"):
        bridle.train(images, protocol=Protocol(epochs=10**9))


def test_train_takes_names_and_texts_as_compare_does() -> None:
    run = bridle.train("digits", None, "mlp(8)", Protocol(epochs=1))
    assert run.layers[0].units == 8
    with pytest.raises(ValueError, match="nowhere"):
        bridle.train("nowhere")
    with pytest.raises(ValueError, match=r"protocol must be a Protocol, such as Protocol\(epochs=20\), got 5"):
        bridle.train("digits", protocol=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("network", [mlp(16, 8), residual_mlp(16, 2), convnet(4, 8)], ids=str)
def test_parameters_are_counted_as_they_will_be(images: Data, network: Any) -> None:
    model = bridle.train(images, None, network, Protocol(epochs=1)).model
    assert memory_estimate.NetworkSize.of(network, images).parameters == sum(
        each.numel() for each in model.parameters()
    )


def test_counting_makes_no_weights(images: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    size = memory_estimate.NetworkSize.of(residual_mlp(10**6, 1), images)
    assert size.parameters > 2 * 10**12
    assert size.units == 64 + 64 + 6 * 10**6 + 2


def test_what_is_free_is_no_more_than_a_limit_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    there = memory.free_bytes()
    assert there is None or there > 0
    monkeypatch.setattr(memory, "remaining_bytes", lambda: iter([5 * GIB, GIB]))
    assert memory.free_bytes() == GIB
    with pytest.raises(ValueError, match=r"it would take about 3.0 GiB of memory, and 1.0 GiB are free; take less"):
        memory.check_available("it", 3 * GIB, "take less")
    memory.check_available("it", GIB, "take less")


def test_torch_is_left_as_it_was(images: Data) -> None:
    memory_estimate.NetworkSize.of(convnet(4), images)
    assert torch.empty(1).device.type == "cpu"
