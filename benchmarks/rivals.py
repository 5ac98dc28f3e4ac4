"""The ways to train the same networks one at a time, each as quick as its own manual makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import sklearn
import torch
import torch.nn.functional as F
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from bridle import WeightDecay
from bridle.recipe import Recipe
from measure import Contender
from workloads import CLASSES, HIDDEN, NOTEBOOK, Workload, plain_network

Batches = Iterator[tuple[Tensor, ...]]
LEARNING_RATE = 0.002


def plain_loop(
    name: str, work: Workload, network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> Contender:
    """The loop of every PyTorch tutorial, on tensors: batches are taken by index."""
    return Contender(name, loop(network.to(device).train(), optimizer, indexed(*work.rows(device), work.batch_size)))


def fused_adam(name: str, work: Workload, network: nn.Module, device: torch.device) -> Contender:
    """The plain loop with the quickest Adam that torch has."""
    network = network.to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    return plain_loop(name, work, network, optimizer, device)


def default_adam(name: str, work: Workload, device: torch.device) -> Contender:
    """The plain loop with Adam as one writes it without a thought."""
    network = plain_network(work.widths).to(device)
    return plain_loop(name, work, network, torch.optim.Adam(network.parameters(), lr=LEARNING_RATE), device)


def data_loader(name: str, work: Workload, device: torch.device) -> Contender:
    """The loop with ``DataLoader(TensorDataset(...), shuffle=True)`` and fused Adam."""
    network = plain_network(work.widths).to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    loader = DataLoader(TensorDataset(*work.rows(device)), batch_size=work.batch_size, shuffle=True, drop_last=True)
    return Contender(name, loop(network, optimizer, endless(loader)))


def notebook_loops(name: str, work: Workload, device: torch.device) -> Contender:
    """Plain loops for the notebook's four recipes, a step of each in turn."""
    loops = [notebook_loop(work, text, device) for text in NOTEBOOK]

    def run(steps: int) -> None:
        for each in loops:
            each.run(steps)

    return Contender(name, run, networks=len(loops))


def notebook_loop(work: Workload, text: str, device: torch.device) -> Contender:
    """The plain loop for one recipe: torch's own layers, AdamW for weight decay."""
    network = plain_network(work.widths, text).to(device)
    decay = [each.numbers()["strength"] for each in Recipe.parse(text) if isinstance(each, WeightDecay)]
    parameters = network.parameters()
    if not decay:
        return plain_loop(text, work, network, torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True), device)
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=decay[0], fused=True)
    return plain_loop(text, work, network, optimizer, device)


def scikit_learn(name: str, work: Workload) -> Contender:
    """MLPClassifier, by ``partial_fit``; its check for infinities, which is no part of a step, is switched off."""
    classifier = MLPClassifier(HIDDEN, alpha=0.0, batch_size=work.batch_size, learning_rate_init=LEARNING_RATE)

    def fit(x: np.ndarray, y: np.ndarray) -> None:
        with sklearn.config_context(assume_finite=True):
            classifier.partial_fit(x, y, classes=np.arange(CLASSES))

    return Contender(name, over_rows(work, fit))


def skorch(name: str, work: Workload) -> Contender:
    """NeuralNetClassifier without a validation split and without prints."""
    classifier = NeuralNetClassifier(
        lambda: plain_network(work.widths),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        lr=LEARNING_RATE,
        batch_size=work.batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
    return Contender(name, over_rows(work, lambda x, y: classifier.partial_fit(x, y, epochs=1)))


def loop(network: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches) -> Callable[[int], None]:
    """Take that many training steps."""

    def run(steps: int) -> None:
        for _ in range(steps):
            x, y = next(batches)
            loss = F.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def indexed(x: Tensor, y: Tensor, batch_size: int) -> Batches:
    """Shuffled batches, epoch after epoch, by index from tensors."""
    while True:
        order = torch.randperm(len(x), device=x.device)
        for start in range(0, len(x) - batch_size + 1, batch_size):
            rows = order[start : start + batch_size]
            yield x[rows], y[rows]


def endless(loader: DataLoader[tuple[Tensor, ...]]) -> Batches:
    """The loader's batches, epoch after epoch."""
    while True:
        yield from loader


def over_rows(work: Workload, fit: Callable[[np.ndarray, np.ndarray], object]) -> Callable[[int], None]:
    """Steps of a library that takes rows, not steps: as many rows as fill the batches, from anywhere in the data."""
    x, y = (tensor.numpy() for tensor in work.rows(torch.device("cpu")))
    random = np.random.default_rng(0)
    most = len(x) // work.batch_size

    def run(steps: int) -> None:
        while steps:
            count = min(steps, most)
            rows = count * work.batch_size
            start = int(random.integers(0, len(x) - rows + 1))
            fit(x[start : start + rows], y[start : start + rows])
            steps -= count

    return run
