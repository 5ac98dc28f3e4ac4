"""What ``bridle.watch`` adds to a plain PyTorch loop: ratios of measurements made in one run.

    python benchmarks/watch.py                          takes five minutes
    python benchmarks/watch.py --quick                  a try of some seconds; nothing is saved

The watched loop is the plain one, with the same model, optimizer and batches, within ``with bridle.watch(...)``: its
start and its end, with everything that the rules find, are measured with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from rich.table import Table
from torch import Tensor, nn

import rivals
import workloads
from bridle.engine.precision import default_device
from bridle_audit import watch
from measure import Contender, Spread, interleave
from record import measure_and_save

Loop = tuple[nn.Module, tuple[Tensor, Tensor], int]  # a network, rows to train it on, the batch size
AT_MOST = 3.0  # percent of a plain step that it may add
LEARNING_RATE = 0.001
BATCH, IMAGES = 32, 512  # of the residual network
CHANNELS, BLOCKS = 32, 4


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float  # of each contender in each round


QUICK, FULL = Effort(3, 0.1), Effort(25, 0.8)


@dataclass(frozen=True)
class Overhead:
    """What a watched step takes beyond the same step unwatched, in percent of that."""

    what: str
    hooks: int  # on modules
    microseconds: float  # a plain step, median
    added: float  # microseconds, median
    measured: Spread
    target: float = AT_MOST

    @property
    def verdict(self) -> str:
        """In words."""
        return "met" if self.measured.median <= self.target else "not met"


class Block(nn.Module):
    """Two convolutions with batch norm, past which the input goes as well."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, h: Tensor) -> Tensor:
        return F.relu(h + self.norm2(self.second(F.relu(self.norm1(self.first(h))))))


def residual_network() -> nn.Sequential:
    """A small ResNet for 16x16 images."""
    stem = (nn.Conv2d(3, CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(CHANNELS), nn.ReLU())
    blocks = (Block(CHANNELS) for _ in range(BLOCKS))
    return nn.Sequential(
        *stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(CHANNELS, 10)
    )


def loops(device: torch.device) -> dict[str, Loop]:
    """What is trained."""
    work = workloads.mnist(None)
    images = (torch.randn(IMAGES, 3, 16, 16, device=device), torch.arange(IMAGES, device=device) % 10)
    found = {"784-128-64-10": (workloads.plain_network(work.widths), work.rows(device), work.batch_size)}
    with_layers = workloads.plain_network(work.widths, "BatchNorm + Dropout")
    found["784-128-64-10, batch norm, dropout"] = (with_layers, work.rows(device), work.batch_size)
    found[f"residual network, {2 * BLOCKS + 1} batch norms"] = (residual_network(), images, BATCH)
    return {name: (network.to(device).train(), rows, size) for name, (network, rows, size) in found.items()}


def overhead(what: str, loop: Loop, *, fused: bool, effort: Effort) -> Overhead:
    """One loop, plain and watched in turns."""
    network, rows, size = loop
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=fused)
    plain = rivals.loop(network, optimizer, rivals.indexed(*rows, size))
    contenders = [Contender("plain", plain), Contender("watched", watched(network, optimizer, plain))]
    times = interleave(contenders, **dataclasses.asdict(effort))
    pairs = list(zip(times["watched"], times["plain"], strict=True))
    with watch(network, optimizer) as watcher:
        hooks = 1 + len(watcher.layers)
    return Overhead(
        what,
        hooks,
        Spread.of(times["plain"]).median * 1e6,
        Spread.of([own - theirs for own, theirs in pairs]).median * 1e6,
        Spread.of([100 * (own / theirs - 1) for own, theirs in pairs]),
    )


def watched(network: nn.Module, optimizer: torch.optim.Optimizer, loop: Callable[[int], None]) -> Callable[[int], None]:
    """The loop, watched from its start to its findings."""

    def run(steps: int) -> None:
        with watch(network, optimizer) as watcher:
            loop(steps)
        assert watcher.record.steps == steps
        assert not watcher.findings.at_least("warning"), watcher.findings

    return run


def overheads(effort: Effort, device: torch.device) -> list[Overhead]:
    """Of all loops, under Adam as one writes it and at its quickest."""
    return [
        overhead(f"{name}, {'fused Adam' if fused else 'Adam'}", loop, fused=fused, effort=effort)
        for fused in (False, True)
        for name, loop in loops(device).items()
    ]


def table(found: Sequence[Overhead]) -> Table:
    """One row per loop."""
    shown = Table(title="A step of the loop; percent beyond the plain loop in the same round, median (quartiles)")
    shown.add_column("watched")
    for heading in ("hooks", "microseconds", "added", "measured", "at most"):
        shown.add_column(heading, justify="right")
    shown.add_column("verdict")
    for each in found:
        spread = f"{each.measured.median:+.1f}% ({each.measured.low:+.1f} to {each.measured.high:+.1f})"
        style = {"met": "green", "not met": "bold red"}[each.verdict]
        numbers = (str(each.hooks), f"{each.microseconds:.0f}", f"{each.added:+.1f}", spread, f"{each.target:g}%")
        shown.add_row(each.what, *numbers, each.verdict, style=style)
    return shown


def measure(quick: bool) -> list[Overhead]:
    """Everything."""
    return overheads(QUICK if quick else FULL, default_device())


if __name__ == "__main__":
    measure_and_save("watch", __doc__, measure, table)
