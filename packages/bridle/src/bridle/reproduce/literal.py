"""The notebook's own code, run as it stands: four networks, one training function, one accuracy.

Nothing here is as it should be done; it is what the notebook did. Its faults are counted on the way: outputs that died,
gradients that a decay of 1e-15 changes, the loss with and without the dropout behind the output.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn, optim

__all__ = [
    "BATCH_NORM",
    "DECAY",
    "DROPOUT",
    "EPOCHS",
    "INPUTS",
    "NAMES",
    "NO_REGULARIZATION",
    "OUTPUTS",
    "PROGRAMS",
    "WEIGHT_DECAY",
    "LiteralRun",
    "NotebookData",
    "NotebookSection",
    "dead_outputs",
    "one_pass",
    "printed_epochs",
]

EPOCHS = 500
INPUTS, OUTPUTS = 784, 10
DECAY = 1e-15  # the notebook's weight_decay
NO_REGULARIZATION, WEIGHT_DECAY, DROPOUT, BATCH_NORM = NAMES = (
    "No regularization",
    "Weight decay",
    "Dropout",
    "Batch norm",
)


class NotebookData(NamedTuple):
    """The rows that the notebook uses: float32 (rows, 784) and int64 (rows,), twice."""

    x_train: Tensor
    y_train: Tensor
    x_valid: Tensor
    y_valid: Tensor


class EpochLog(NamedTuple):
    """The losses and scores that the notebook printed for one network."""

    losses: tuple[float, ...]  # at epochs 0, 1, 100, 200, 300, 400
    accuracy: float  # percent of the validation rows
    seconds: float  # wall time of training on the author's machine


@dataclass(frozen=True)
class LiteralRun:
    """One network of the notebook, trained under one seed."""

    name: str
    seed: int
    losses: list[float]  # where the notebook prints them, see printed_epochs
    accuracy: float  # percent of the validation rows, in evaluation mode
    dead_outputs: int  # outputs that are zero for every validation row
    dead_rows: float  # percent of the validation rows whose class has a dead output
    living_accuracy: float  # percent, on the other rows; nan where there are none
    seconds: float  # wall time of training
    measured: dict[str, float] = field(default_factory=dict)  # see the functions below; empty for two of the four


@dataclass(frozen=True)
class NotebookSection:
    """One section of the notebook: a network, an optimizer, and what they printed there."""

    name: str
    network: Callable[[], nn.Sequential]
    lr: float
    decay: float
    printed: EpochLog


def network() -> nn.Sequential:
    """Build the notebook's ``Network``."""
    return nn.Sequential(
        nn.Linear(784, 128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
        nn.ReLU(),
    )


def network_with_dropout() -> nn.Sequential:
    """Build the notebook's ``NetworkWithDropout``."""
    return nn.Sequential(
        nn.Linear(784, 128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(64, 10),
        nn.ReLU(),
        nn.Dropout(),
    )


def network_with_batch_norm() -> nn.Sequential:
    """Build the notebook's ``NetworkWithBatchNorm``."""
    return nn.Sequential(
        nn.Linear(784, 128),
        nn.BatchNorm1d(128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 10),
        nn.BatchNorm1d(10),
        nn.ReLU(),
    )


PROGRAMS = (
    NotebookSection(
        NO_REGULARIZATION,
        network,
        0.01,
        0.0,
        EpochLog((2.3022, 2.2453, 0.2836, 0.2490, 0.2457, 0.2451), 86.73, 19.1),
    ),
    NotebookSection(
        WEIGHT_DECAY, network, 0.01, DECAY, EpochLog((2.3083, 2.1972, 0.2956, 0.2461, 0.2376, 0.2362), 88.33, 18.6)
    ),
    NotebookSection(
        DROPOUT,
        network_with_dropout,
        0.01,
        0.0,
        EpochLog((2.3049, 2.2832, 1.2152, 1.1770, 1.1625, 1.1635), 97.42, 28.2),
    ),
    NotebookSection(
        BATCH_NORM,
        network_with_batch_norm,
        0.1,
        0.0,
        EpochLog((2.5129, 2.1002, 0.0871, 0.0208, 0.0060, 0.0028), 97.09, 23.1),
    ),
)


def printed_epochs(epochs: int) -> list[int]:
    """Return the epochs whose loss the notebook prints.

    >>> printed_epochs(500)
    [0, 1, 100, 200, 300, 400]
    """
    return [epoch for epoch in range(epochs) if epoch == 1 or epoch % 100 == 0]


def train(  # noqa: PLR0917  (the notebook's own order)
    model: nn.Sequential,
    x: Tensor,
    y: Tensor,
    optimizer: optim.Optimizer,
    epochs: int,
    watch: Callable[[int], None],
) -> list[float]:
    """Train as the notebook's ``train`` and return its printed losses. ``watch(epoch)`` looks on before each step."""
    criterion = nn.CrossEntropyLoss()
    shown = printed_epochs(epochs)
    losses = []
    for epoch in range(epochs):
        preds = model(x)
        loss = criterion(preds, y.long())
        optimizer.zero_grad()
        loss.backward()
        watch(epoch)
        optimizer.step()
        if epoch in shown:
            losses.append(loss.item())
    return losses


@torch.no_grad()
def calc_acc(model: nn.Sequential, x: Tensor, y: Tensor) -> float:
    """Return the accuracy as the notebook's ``calc_acc``: percent of the rows, in evaluation mode."""
    model.eval()
    _, predicted = torch.max(model(x), 1)
    return (predicted == y).sum().item() / y.size(0) * 100


def one_pass(split: NotebookData, seed: int, epochs: int, told: Callable[[str, int], None]) -> Iterator[LiteralRun]:
    """Run the notebook from top to bottom, each of its four networks initialized under ``seed``.

    ``told(name, epochs_done)`` hears of every epoch. The weights that training ends with are kept from section to
    section, since the first two differ in the decay alone and can be compared weight by weight.
    """
    ends: dict[str, Tensor] = {}
    for program in PROGRAMS:
        run, model = run_program(program, split, seed, epochs, told)
        ends[program.name] = flat_weights(model)
        if program.name == WEIGHT_DECAY:
            run.measured.update(compare_ends(ends[NO_REGULARIZATION], ends[WEIGHT_DECAY]))
        yield run


def run_program(
    program: NotebookSection, split: NotebookData, seed: int, epochs: int, told: Callable[[str, int], None]
) -> tuple[LiteralRun, nn.Sequential]:
    """Run one section of the notebook."""
    torch.manual_seed(seed)
    model = program.network()
    optimizer = optim.Adam(model.parameters(), lr=program.lr, weight_decay=program.decay)
    effects: list[dict[str, float]] = []

    def watch(epoch: int) -> None:
        told(program.name, epoch + 1)
        if program.decay and epoch in printed_epochs(epochs):
            effects.append(effect_of_decay(model, optimizer))

    start = time.perf_counter()
    losses = train(model, split.x_train, split.y_train, optimizer, epochs, watch)
    seconds = time.perf_counter() - start
    measured = over_steps(effects)
    if program.name == DROPOUT:
        measured |= loss_by_mode(model, split.x_train, split.y_train)
    accuracy = calc_acc(model, split.x_valid, split.y_valid)
    dead = dead_outputs(model, split.x_valid)
    lost = dead[split.y_valid]
    living = calc_acc(model, split.x_valid[~lost], split.y_valid[~lost]) if not lost.all() else float("nan")
    run = LiteralRun(
        name=program.name,
        seed=seed,
        losses=losses,
        accuracy=accuracy,
        dead_outputs=int(dead.sum()),
        dead_rows=lost.float().mean().item() * 100,
        living_accuracy=living,
        seconds=seconds,
        measured=measured,
    )
    return run, model


@torch.no_grad()
def dead_outputs(model: nn.Module, x: Tensor) -> Tensor:
    """Return (outputs,), True for outputs that are zero for every row of (rows, inputs), in evaluation mode."""
    model.eval()
    dead: Tensor = (model(x) == 0).all(0)
    return dead


def effect_of_decay(model: nn.Module, optimizer: optim.Optimizer) -> dict[str, float]:
    """Measure the changes that coupled decay makes to the next step.

    In the float32 gradients, of which those that are zero are counted apart; and in the weights, if this one step is
    made with the decay and without, in numbers of weights and in rounding steps of the weight that changes most.
    """
    decay = optimizer.param_groups[0]["weight_decay"]
    g, w = flat_gradients(model), flat_weights(model)
    changed, zero = torch.add(g, w, alpha=decay) != g, g == 0
    with_decay = weights_after_step(model, optimizer, decay)
    without = weights_after_step(model, optimizer, 0.0)
    rounding_step = torch.nextafter(without.abs(), torch.tensor(torch.inf)) - without.abs()
    return {
        "gradients": float((~zero).sum()),
        "changed_gradients": float((changed & ~zero).sum()),
        "zero_gradients": float(zero.sum()),
        "changed_zero_gradients": float((changed & zero).sum()),
        "weights": float(w.numel()),
        "weights_changed_in_a_step": float((with_decay != without).sum()),
        "largest_change_in_rounding_steps": ((with_decay - without).abs() / rounding_step).max().item(),
    }


def over_steps(effects: list[dict[str, float]]) -> dict[str, float]:
    """Sum the effects over the steps looked at; of the largest changes, take the largest."""
    keys = effects[0] if effects else {}
    return {key: (max if key.startswith("largest") else sum)(effect[key] for effect in effects) for key in keys}


def weights_after_step(model: nn.Module, optimizer: optim.Optimizer, decay: float) -> Tensor:
    """Return the weights that one step with this decay would give; neither argument changes."""
    its_model, its_optimizer = copy.deepcopy((model, optimizer))
    for twin, parameter in zip(its_model.parameters(), model.parameters(), strict=True):
        twin.grad = None if parameter.grad is None else parameter.grad.clone()
    its_optimizer.param_groups[0]["weight_decay"] = decay
    its_optimizer.step()
    return flat_weights(its_model)


def flat_gradients(model: nn.Module) -> Tensor:
    """Return all gradients in one row."""
    return nn.utils.parameters_to_vector([p.grad for p in model.parameters() if p.grad is not None])


def flat_weights(model: nn.Module) -> Tensor:
    """Return all parameters in one row."""
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def compare_ends(without: Tensor, with_decay: Tensor) -> dict[str, float]:
    """Compare two trainings that started alike: the number of weights that differ, and the Euclidean norm of each."""
    return {
        "weights_that_end_differently": float((without != with_decay).sum()),
        "norm_without": without.norm().item(),
        "norm_with": with_decay.norm().item(),
    }


@torch.no_grad()
def loss_by_mode(model: nn.Sequential, x: Tensor, y: Tensor) -> dict[str, float]:
    """Measure the loss of one set of weights: in training, without its last dropout, and in evaluation mode."""
    criterion = nn.CrossEntropyLoss()
    model.train()
    training = criterion(model(x), y).item()
    without_last = criterion(model[:-1](x), y).item()
    model.eval()
    return {
        "loss_training": training,
        "loss_without_output_dropout": without_last,
        "loss_evaluation": criterion(model(x), y).item(),
    }
