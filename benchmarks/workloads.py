"""What the benchmarks train: data, networks and variants, alike for bridle and its rivals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import bridle
from bridle import BatchNorm, Dropout, Recipe, WeightDecay
from bridle.data import Data
from bridle.engine import make_stack
from bridle.networks import Network
from bridle.protocol import Protocol, Variant
from measure import Contender

HIDDEN = (128, 64)
CLASSES = 10
STRENGTHS = tuple(0.01 * 2.0**k for k in range(8))
NOTEBOOK = ("none", "WeightDecay(strength=0.01)", "Dropout(rate=0.2)", "BatchNorm()")
MNIST_ROWS = 50_000


@dataclass(frozen=True)
class Workload:
    """A network on data, with the batch size that it is trained with."""

    name: str
    data: Data
    batch_size: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Of all layers, from the inputs to the outputs."""
        return (int(np.prod(self.data.x_train.shape[1:])), *HIDDEN, CLASSES)

    def protocol(self, epochs: int = 1000, precision: str = "auto") -> Protocol:
        """Adam; by default long enough to never end while it is timed."""
        return Protocol("adam", batch_size=self.batch_size, epochs=epochs, precision=precision)

    def rows(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The training rows as the plain loops want them: (rows, features) float32 and class ids."""
        x = torch.as_tensor(np.asarray(self.data.x_train), dtype=torch.float32).flatten(1)
        return x.to(device), torch.as_tensor(np.asarray(self.data.y_train), dtype=torch.int64).to(device)


def mnist(folder: Path | None) -> Workload:
    """MNIST from a folder; without one, random pixels and labels in its shape, good for timing alone."""
    if folder is not None:
        return Workload("MNIST", bridle.load("mnist", data_dir=folder), 128)
    random = np.random.default_rng(0)
    splits = [
        (random.random((rows, 784), dtype=np.float32), random.integers(0, CLASSES, rows))
        for rows in (MNIST_ROWS, 1000, 1000)
    ]
    return Workload("random pixels", Data(*(array for split in splits for array in split)), 128)


def digits() -> Workload:
    """scikit-learn's digits."""
    return Workload("digits", bridle.load("digits"), 32)


def strengths_and_seeds(count: int) -> list[Variant]:
    """``count`` variants as a search has them: eight strengths of weight decay, each under ``count / 8`` seeds."""
    recipes = [Recipe.of(WeightDecay(strength=strength)) for strength in STRENGTHS]
    return [Variant(recipe, seed) for recipe in recipes for seed in range(count // len(recipes))]


def seeds_alone(count: int) -> list[Variant]:
    """``count`` seeds of no regularization: nothing is shared, neither batches nor noise."""
    return [Variant(Recipe(), seed) for seed in range(count)]


def notebook_recipes(seeds: int) -> list[Variant]:
    """The notebook's four recipes, each under so many seeds."""
    return [Variant(Recipe.parse(text), seed) for text in NOTEBOOK for seed in range(seeds)]


def stacked(name: str, work: Workload, variants: list[Variant], network: Network | None = None) -> Contender:
    """bridle's engine, training all variants together."""
    program = make_stack(work.data, variants, network or bridle.mlp(*HIDDEN), work.protocol())

    def run(steps: int) -> None:
        for _ in range(steps):
            program.step()

    return Contender(name, run, networks=len(variants))


def plain_network(widths: tuple[int, ...], text: str = "none") -> nn.Sequential:
    """What one would write by hand for a recipe: batch norm before, dropout after each hidden activation."""
    inputs, *hidden, outputs = widths
    recipe = Recipe.parse(text)
    layers: list[nn.Module] = []
    for width in hidden:
        layers.append(nn.Linear(inputs, width))
        layers += [nn.BatchNorm1d(width) for each in recipe if isinstance(each, BatchNorm)]
        layers.append(nn.ReLU())
        layers += [nn.Dropout(each.numbers()["rate"]) for each in recipe if isinstance(each, Dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class OwnNetwork(nn.Module):
    """A user's own module: nothing in it says that it is a perceptron."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs, first, second, outputs = widths
        self.first = nn.Linear(inputs, first)
        self.second = nn.Linear(first, second)
        self.last = nn.Linear(second, outputs)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.last(F.relu(self.second(F.relu(self.first(x.flatten(1))))))
        return outputs
