"""Peak memory of training, each measurement in a process of its own.

``peak("stack", ...)`` starts this file as a script; the script prints the bytes that training took at its peak, above
what the interpreter, the libraries and the data had taken before.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

import rivals
import workloads
from bridle.engine.precision import default_device
from measure import Contender

STEPS = 5
STATUS = Path("/proc/self/status")
PEAK_RESET = Path("/proc/self/clear_refs")


def peak(what: str, variants: int, folder: Path | None) -> int | None:
    """Bytes at the peak of ``"stack"`` or ``"loop"``; ``None`` where the system does not tell."""
    if not torch.cuda.is_available() and not PEAK_RESET.exists():
        return None
    command = [sys.executable, __file__, what, str(variants), str(folder or "")]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(result.stdout)


def measure(what: str, variants: int, folder: Path | None) -> int:
    """Bytes at the peak of a few steps, in this process."""
    work = workloads.mnist(folder)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        start(what, work, variants).run(STEPS)
        return torch.cuda.max_memory_allocated() - before
    start("loop", workloads.digits(), 1).run(STEPS)  # what torch loads and reserves at its first step is not training's
    PEAK_RESET.write_text("5", encoding="ascii")
    before = resident("VmRSS")
    start(what, work, variants).run(STEPS)
    return resident("VmHWM") - before


def start(what: str, work: workloads.Workload, variants: int) -> Contender:
    """The stack of all variants, or the plain loop of one network."""
    if what == "stack":
        return workloads.stacked(what, work, workloads.strengths_and_seeds(variants))
    return rivals.fused_adam(what, work, workloads.plain_network(work.widths), default_device())


def resident(entry: str) -> int:
    """Bytes of memory now (VmRSS) or at the peak since it was reset (VmHWM)."""
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{entry}:"))


if __name__ == "__main__":
    what, variants, folder = sys.argv[1:]
    print(measure(what, int(variants), Path(folder) if folder else None))
