"""The memory of a variant in a stack is reckoned by what was measured on one machine, within a factor of about two."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from bridle.data import Data
from bridle.engine.precision import Precision
from bridle.engine.training_plan import TrainingPlan
from bridle.engine.variant_grids import MEMORY
from bridle.networks import Network, convnet, mlp, residual_mlp
from bridle.protocol import Protocol, Variant
from bridle.recipe import Recipe


def own() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 28)),
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


@pytest.fixture(scope="module")
def images() -> Data:
    x, y = np.random.default_rng(0).normal(size=(1024, 28, 28)), np.arange(1024) % 10
    return Data(x, y, x[:512], y[:512])


def program(data: Data, network: Network, batch: int) -> TrainingPlan:
    precision = Precision(torch.float32, torch.float32, torch.device("cpu"))
    return TrainingPlan.of(data, network, Protocol(epochs=1, batch_size=batch), precision)


@pytest.mark.parametrize(
    ("network", "batch", "mebibytes"),  # as the resident memory grew from 4 variants to 12
    [
        (mlp(128, 64), 64, 3.9),
        (mlp(1024, 1024), 64, 39.9),
        (residual_mlp(128, 4), 16, 10.3),
        (residual_mlp(128, 4), 256, 12.0),
        (convnet(16, 32), 64, 24.5),
        (convnet(16, 32), 256, 49.7),
        (convnet(64, 64), 64, 128.6),
        (convnet(64, 64), 256, 182.0),
        (own, 16, 30.6),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),  # str of a function names its address
)
def test_the_estimate_is_near_what_was_measured(
    images: Data, network: Network | Callable[[], nn.Module], batch: int, mebibytes: float
) -> None:
    estimate = program(images, network, batch).bytes_per_variant() / 2**20
    assert mebibytes / 2 < estimate < 2 * mebibytes


def test_convolutional_networks_share_a_stack(images: Data) -> None:
    members = [Variant(Recipe(), seed) for seed in range(20)]
    assert [len(part) for part in program(images, convnet(16, 32), 64).plan_stacks(members, MEMORY)] == [20]


def test_the_weights_of_best_epochs_are_reckoned_with(images: Data) -> None:
    precision = Precision(torch.float32, torch.float32, torch.device("cpu"))
    keeping, not_keeping = (
        TrainingPlan.of(images, mlp(32), Protocol(epochs=1, restore_best=best), precision).bytes_per_variant()
        for best in (True, False)
    )
    weights = 4 * ((28 * 28 + 1) * 32 + (32 + 1) * 10)
    assert keeping == not_keeping + weights
