"""Programs are read where neither torch nor NumPy is installed."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import bridle_audit.static

CORPUS = Path(__file__).parent.parent / "corpus"
BLOCKED = "import sys; sys.modules.update(torch=None, numpy=None)\n"  # None: an import of it is an ImportError


def run(code: str) -> subprocess.CompletedProcess[str]:
    """A program in an interpreter of its own, without both."""
    return subprocess.run([sys.executable, "-c", BLOCKED + code], capture_output=True, text=True, check=False)


def test_all_modules_are_imported_without_torch() -> None:
    """Each of them, not only those that the package's own imports lead to."""
    modules = [each.name for each in pkgutil.walk_packages(bridle_audit.static.__path__, "bridle_audit.static.")]
    assert len(modules) > 40
    done = run(f"import {', '.join(modules)}")
    assert done.returncode == 0, done.stderr


def test_a_program_is_followed_without_torch() -> None:
    """To its networks, losses, optimizers and penalties."""
    file = CORPUS / "accumulated_ridge.py"
    assert file.exists()
    done = run(
        "from bridle_audit.static import read_file\n"
        "from bridle_audit.static.dataflow.penalties import penalties_of\n"
        f"program = read_file({str(file)!r})\n"
        "print(len(program.networks), len(program.losses), len(program.optimizers), len(penalties_of(program)))"
    )
    assert done.stdout == "1 1 1 1\n", done.stderr


def test_the_block_works() -> None:
    """Otherwise the tests above could not fail."""
    assert "ModuleNotFoundError" in run("import torch").stderr
    assert "ModuleNotFoundError" in run("import numpy").stderr
