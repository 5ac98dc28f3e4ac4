"""Measures what installing takes: wheels built from this checkout, put into environments that have nothing else.

    python benchmarks/installation.py                 both distributions; a minute for torch
    python benchmarks/installation.py bridle-audit    one of them

Everything is downloaded anew, in the versions of constraints.txt, so the seconds are as much the network's as ours. A
torch without CUDA is a third of the size: where pip does not find one, name PyTorch's CPU index. What is installed is
run twice: the linter on the corpus of its tests, the rest on a small comparison.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "packages/bridle-audit/tests/corpus"
NEEDS = {"bridle-audit": ["bridle-audit"], "bridle": ["bridle-audit", "bridle"]}  # the wheels of ours that each takes
RUNS = {
    "bridle-audit": ["bridle-audit", "--fail-on", "never", str(CORPUS)],
    "bridle": ["bridle", "compare", "digits", "--seeds", "2", "--epochs", "2"],
}


class Installed(NamedTuple):
    """One distribution in an environment of its own."""

    name: str
    wheel: int  # bytes
    packages: int  # in the environment, itself included
    size: int  # bytes of the environment, without pip
    seconds: float  # to install
    run_seconds: float  # of the first run, compiled files not yet there
    again_seconds: float


def build(name: str, folder: Path) -> Path:
    """The wheel of one distribution of this checkout, in a folder."""
    source = folder / name  # a copy: setuptools keeps what it has built beside what it builds, and takes it in again
    made = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "packages" / name, source, ignore=made)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(command, check=True, env=quiet())
    (wheel,) = folder.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel


def environment(folder: Path) -> Path:
    """A new environment with nothing but pip in it; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder / "bin" / "python"


def install(python: Path, *what: str | Path) -> None:
    """Let the environment's own pip install something."""
    subprocess.run([python, "-m", "pip", "install", "-q", *map(str, what)], check=True, env=quiet())


def quiet() -> dict[str, str]:
    """This process's variables, without what would lead Python to this checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file() and not each.is_symlink())


def measure(name: str, folder: Path) -> Installed:
    """Build, install and run one distribution."""
    wheels = [build(each, folder / "wheels") for each in NEEDS[name]]
    python = environment(folder / "environment")
    before = size_of(folder / "environment")
    start = time.perf_counter()
    install(python, "--no-cache-dir", "-c", ROOT / "constraints.txt", *wheels)
    seconds = time.perf_counter() - start
    size = size_of(folder / "environment") - before
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    )
    packages = [line for line in listed.stdout.splitlines() if not line.startswith(("pip=", "setuptools="))]
    first, again = (run(python, RUNS[name], folder) for _ in range(2))
    return Installed(name, wheels[-1].stat().st_size, len(packages), size, seconds, first, again)


def run(python: Path, command: Sequence[str], folder: Path) -> float:
    """Seconds of a command of the environment."""
    start = time.perf_counter()
    subprocess.run([python.parent / command[0], *command[1:]], check=True, cwd=folder, env=quiet(), capture_output=True)
    return time.perf_counter() - start


def table(found: Sequence[Installed]) -> Table:
    """A row for each."""
    shown = Table("distribution", "wheel", "packages", "environment", "installed in", "first run", "second run")
    for each in found:
        shown.add_row(
            each.name,
            f"{each.wheel / 1e3:.0f} kB",
            str(each.packages),
            f"{each.size / 1e6:.0f} MB",
            *(f"{seconds:.1f} s" for seconds in (each.seconds, each.run_seconds, each.again_seconds)),
        )
    return shown


def main() -> None:
    """The benchmark as a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*NEEDS, []], default=[*NEEDS], help="which distributions")
    found = []
    for name in parser.parse_args().names:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(name, Path(folder)))
    Console(width=120).print(table(found))


if __name__ == "__main__":
    main()
