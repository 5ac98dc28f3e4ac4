"""What an attached recipe adds to a plain PyTorch loop: ratios of measurements made in one run.

    python benchmarks/attach.py                         takes two minutes
    python benchmarks/attach.py --quick                 a try of some seconds; nothing is saved

The loop trains the 784-128-64-10 net with ``Adam(fused=True)``. What is written by hand is as its manual says: the
penalty in the loss, AdamW's decay, ``torch.optim.swa_utils`` for the average, torch's own layers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from rich.table import Table
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import rivals
import workloads
from bridle.attaching import attach
from bridle.engine.precision import default_device
from measure import Contender, Spread, interleave
from record import measure_and_save

TARGET = "L2 + WeightDecay + EMA"
AT_MOST = 10.0  # percent of a plain step that it may add
RECIPES = ("none", "L2", "WeightDecay", "EMA", TARGET, "ClipNorm", "SAM", "BatchNorm + Dropout")
STEPS = 10**9  # as if training went on for ever
STRENGTH, DECAY, AVERAGE = 1e-4, 0.01, 0.999  # the defaults of the three


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float  # of each contender in each round


QUICK, FULL = Effort(3, 0.03), Effort(15, 0.4)


@dataclass(frozen=True)
class Overhead:
    """What a contender's step takes beyond a plain one, in percent of that."""

    what: str
    microseconds: float  # a step, median
    measured: Spread
    target: float | None  # at most; None: for information

    @property
    def verdict(self) -> str:
        """In words."""
        if self.target is None:
            return "for information"
        return "met" if self.measured.median <= self.target else "not met"


def attached(recipe: str, work: workloads.Workload, device: torch.device) -> Contender:
    """The plain loop with a recipe attached; one that needs lines of its own runs ``handle.step``."""
    network = workloads.plain_network(work.widths).to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=rivals.LEARNING_RATE, fused=True)
    handle = attach(network, optimizer, recipe, loss=nn.CrossEntropyLoss(), steps=STEPS)
    batches = rivals.indexed(*work.rows(device), work.batch_size)
    if recipe != "SAM":
        return Contender(recipe, rivals.loop(network, optimizer, batches))

    def run(steps: int) -> None:
        for _ in range(steps):
            handle.step(*next(batches))

    return Contender(recipe, run)


def penalties_by_hand(work: workloads.Workload, device: torch.device) -> Contender:
    """L2, weight decay and an exponential moving average with what torch has."""
    network = workloads.plain_network(work.widths).to(device).train()
    matrices = [each for each in network.parameters() if each.ndim > 1]
    others = [each for each in network.parameters() if each.ndim < 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rivals.LEARNING_RATE, fused=True)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))
    batches = rivals.indexed(*work.rows(device), work.batch_size)

    def run(steps: int) -> None:
        for _ in range(steps):
            x, y = next(batches)
            penalty = STRENGTH * torch.stack([each.square().sum() for each in matrices]).sum()
            loss: Tensor = F.cross_entropy(network(x), y) + penalty
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            average.update_parameters(network)

    return Contender(f"{TARGET}, by hand", run)


def overheads(effort: Effort, device: torch.device) -> list[Overhead]:
    """Everything in turns with the plain loop."""
    work = workloads.mnist(None)
    plain = rivals.fused_adam("plain loop", work, workloads.plain_network(work.widths), device)
    layers = "BatchNorm + Dropout"
    with_layers = workloads.plain_network(work.widths, layers)
    contenders = [
        *(attached(recipe, work, device) for recipe in RECIPES),
        penalties_by_hand(work, device),
        rivals.fused_adam(f"{layers}, by hand", work, with_layers, device),
    ]
    times = interleave([plain, *contenders], **dataclasses.asdict(effort))
    return [
        Overhead(
            each.name,
            Spread.of(times[each.name]).median * 1e6,
            Spread.of(
                [100 * (own / theirs - 1) for own, theirs in zip(times[each.name], times[plain.name], strict=True)]
            ),
            AT_MOST if each.name == TARGET else None,
        )
        for each in contenders
    ]


def table(found: Sequence[Overhead]) -> Table:
    """One row per contender."""
    shown = Table(title="A step of the loop; percent beyond the plain loop in the same round, median (quartiles)")
    shown.add_column("attached")
    for heading in ("microseconds", "measured", "at most"):
        shown.add_column(heading, justify="right")
    shown.add_column("verdict")
    for each in found:
        spread = f"{each.measured.median:+.1f}% ({each.measured.low:+.1f} to {each.measured.high:+.1f})"
        target = "" if each.target is None else f"{each.target:g}%"
        style = {"met": "green", "not met": "bold red"}.get(each.verdict, "dim")
        shown.add_row(each.what, f"{each.microseconds:.0f}", spread, target, each.verdict, style=style)
    return shown


def measure(quick: bool) -> list[Overhead]:
    """Everything."""
    return overheads(QUICK if quick else FULL, default_device())


if __name__ == "__main__":
    measure_and_save("attach", __doc__, measure, table)
