"""What a benchmark says of the machine it runs on, and where it saves what it found."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from bridle.comparison.provenance import provenance
from bridle_audit.atomic_files import write_whole

Outcome = TypeVar("Outcome")  # a dataclass with a verdict

RESULTS = Path(__file__).parent / "results"
PIPE_WIDTH = 170  # columns where the output is no terminal


def new_console() -> Console:
    """As wide as the terminal, or wide enough for the tables."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def load_before(console: Console) -> float:
    """How much others compute here; says so if it is enough to disturb."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        console.print(f"Others compute here too (load {load:.1f}): the numbers suffer; measure on an idle machine.")
    return load


def path_for(machine: str, *what: str) -> Path:
    """``results/<date>_<hardware>.json``, with what was measured in front of the hardware."""
    words = re.findall(r"[a-z0-9.]+", re.sub(r"\(r\)|\(tm\)|cpu|processor", " ", machine.lower()))
    return RESULTS / f"{'_'.join([date.today().isoformat(), *what, '-'.join(words)])}.json"


def measure_and_save(
    name: str,
    description: str | None,
    measure: Callable[[bool], Sequence[Outcome]],
    table: Callable[[Sequence[Outcome]], Table],
) -> None:
    """A whole benchmark as a program: measure, print, and save all but a quick try.

    ``measure`` is told whether it is to be quick; ``description`` is what ``--help`` says.
    """
    asked = arguments(name, description)
    console = new_console()
    torch.set_num_threads(asked.threads)
    origin = provenance()
    console.print(f"{origin['machine']}; {asked.threads} threads")
    load = load_before(console)
    with threadpool_limits(asked.threads), console.status("Measuring"):
        found = measure(asked.quick)
    console.print(table(found))
    if asked.quick and not asked.out:
        return
    content = {
        "benchmark": name,
        "command": f"python benchmarks/{name}.py{' --quick' * asked.quick}",
        "made": origin,
        "threads": asked.threads,
        "load_before": load,
        "outcomes": list(map(outcome_as_json, found)),
    }
    path = asked.out or path_for(origin["machine"], name)
    write_whole(path, json.dumps(content, indent=1) + "\n")
    console.print(f"Saved as {path}")


def outcome_as_json(outcome: Any) -> dict[str, Any]:
    """All fields of an outcome, and its verdict."""
    return {**dataclasses.asdict(outcome), "verdict": outcome.verdict}


def arguments(name: str, description: str | None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: 2)")
    parser.add_argument("--quick", action="store_true", help="a try; nothing is saved")
    saved = f"benchmarks/results/<date>_{name}_<hardware>.json"
    parser.add_argument("--out", type=Path, help=f"where to save (default: {saved})")
    return parser.parse_args()
