"""The provenance of a study: versions, machine and date."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from bridle import __version__

__all__ = ["provenance"]

RUNS_ON = ("torch", "numpy", "scipy", "scikit-learn")


def provenance() -> dict[str, Any]:
    """Return the versions of bridle, Python and its libraries, the machine, and the date (UTC, to the second)."""
    return {
        "bridle": __version__,
        "python": platform.python_version(),
        "versions": {package: version(package) for package in RUNS_ON},
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def machine() -> str:
    """The processor, its cores, the accelerator if there is one, and the system."""
    accelerators = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    return ", ".join([processor(), f"{os.cpu_count()} cores", *accelerators, platform.system()])


def processor() -> str:
    """The processor's own name where the system tells it (Linux), else its kind."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
