"""What a benchmark says of the machine it runs on, and where it saves what it found."""

from __future__ import annotations

import os
import re
import sys
from datetime import date
from pathlib import Path

from rich.console import Console

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
