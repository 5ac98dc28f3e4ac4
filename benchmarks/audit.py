"""How long an audit takes: probing a model of 25 million parameters, and reading a thousand files.

    python benchmarks/audit.py                          takes a minute or two
    python benchmarks/audit.py --quick                  a small model and 100 files; nothing is saved

The ratios are to what cannot be avoided: one training step of the same model on the same batch, and parsing the same
files with Python's own parser. The files are those of the installed torch, the largest body of such code at hand.
"""

from __future__ import annotations

import ast
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.table import Table
from torch import nn

from bridle_audit.run.files import audit_files
from bridle_audit.run.models import audit
from record import measure_and_save

BATCH = 8
ROUNDS = 3


@dataclass(frozen=True)
class Timing:
    """One job, and what it is measured against."""

    what: str
    seconds: float  # the median of the rounds
    against: str
    against_seconds: float
    at_most: float  # seconds

    @property
    def verdict(self) -> str:
        """In words."""
        return "met" if self.seconds <= self.at_most else "not met"


class Encoder(nn.Module):
    """A transformer over 32 x 32 images in patches of 4: with 8 layers of width 512, 25.2 million parameters."""

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        layer = nn.TransformerEncoderLayer(width, 8, 4 * width, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.output = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.body(self.patches(x).flatten(2).transpose(1, 2))
        logits: torch.Tensor = self.output(h.mean(1))
        return logits


def median_seconds(job: Callable[[], object]) -> float:
    """Of a few rounds, behind one that warms up."""
    times = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[ROUNDS // 2]


def probing(layers: int, width: int) -> Timing:
    """Every rule that probes, on a model with its optimizer, loss and batch."""
    torch.manual_seed(0)
    model = Encoder(layers, width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    loss = nn.CrossEntropyLoss()
    batch = torch.randn(BATCH, 3, 32, 32), torch.arange(BATCH) % 10

    def step() -> None:
        loss(model(batch[0]), batch[1]).backward()
        optimizer.step()
        optimizer.zero_grad()

    millions = sum(each.numel() for each in model.parameters()) / 1e6
    return Timing(
        f"probing {millions:.1f} M parameters, batch of {BATCH}",
        median_seconds(lambda: audit(model, optimizer, loss, batch, steps=1000)),
        "one training step",
        median_seconds(step),
        30.0,
    )


def reading(count: int) -> Timing:
    """Every rule that reads, on files as they come."""
    files = sorted(Path(torch.__file__).parent.rglob("*.py"))[:count]

    def parse() -> None:
        for path in files:
            ast.parse(path.read_bytes())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return Timing(
            f"reading {len(files)} files of torch",
            median_seconds(lambda: audit_files(files)),
            "parsing them with ast",
            median_seconds(parse),
            20.0,
        )


def table(found: Sequence[Timing]) -> Table:
    """One row for each job."""
    shown = Table(title="Time of an audit, median")
    for heading in ("what", "seconds", "at most", "against", "seconds ", "ratio", "verdict"):
        shown.add_column(heading)
    for each in found:
        ratio = each.seconds / each.against_seconds
        shown.add_row(
            each.what,
            f"{each.seconds:.2f}",
            f"{each.at_most:g}",
            each.against,
            f"{each.against_seconds:.3f}",
            f"{ratio:.1f}",
            each.verdict,
        )
    return shown


def measure(quick: bool) -> list[Timing]:
    """Both jobs."""
    return [probing(2, 64), reading(100)] if quick else [probing(8, 512), reading(1000)]


if __name__ == "__main__":
    measure_and_save("audit", __doc__, measure, table)
