"""The walls between the modules: each import that would break one is planted in a copy, and the contracts see it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT

LINT = Path(sys.executable).with_name("lint-imports")
PLANTED = {  # an import, where it is planted, and the contract that forbids it
    "torch in the reading of files": (
        "bridle_audit/static/program.py",
        "import torch",
        "programs are read without torch",
    ),
    "torch in the command line of the linter": (
        "bridle_audit/cli/settings.py",
        "import torch",
        "programs are read without torch",
    ),
    "NumPy in a report of findings": (
        "bridle_audit/report/text.py",
        "import numpy",
        "a report is made from results alone",
    ),
    "the linter asks what trains": (
        "bridle_audit/run/files.py",
        "import bridle.recipe",
        "the linter knows nothing of what trains",
    ),
    "a rule asks another": (
        "bridle_audit/rules/dead_output/probe.py",
        "import bridle_audit.rules.one_seed",
        "rules do not know each other",
    ),
    "a rule asks who runs it": (
        "bridle_audit/rules/dead_output/probe.py",
        "import bridle_audit.run.files",
        "rules do not know who asks them",
    ),
    "a rule of bridle's trains": (
        "bridle/rules/knob_at_off/recipe.py",
        "import bridle.engine",
        "the audit trains nothing",
    ),
    "a regularizer asks another": (
        "bridle/regularizers/loss/l1.py",
        "import bridle.regularizers.loss.l2",
        "regularizers do not know each other",
    ),
    "torch in the vanilla engine": (
        "bridle/vanilla/network.py",
        "import torch",
        "the vanilla engine is free of torch in its own code",
    ),
    "a recipe knows the engine": ("bridle/recipe.py", "import bridle.engine", "imports in bridle only point down"),
    "a rule goes around the doors of the interpreter": (
        "bridle_audit/rules/dead_output/probe.py",
        "import bridle_audit.static.interpreter.run",
        "the interpreter is one room: nobody outside knows its parts",
    ),
    "what is read knows what follows from it": (
        "bridle_audit/static/source/loading.py",
        "import bridle_audit.static.dataflow",
        "imports in static only point down",
    ),
    "a block knows who trains it": (
        "bridle/engine/block.py",
        "import bridle.engine.stack",
        "imports in engine only point down",
    ),
    "the text of a script knows who writes it": (
        "bridle/exporting/script.py",
        "import bridle.exporting.formulas",
        "imports in exporting only point down",
    ),
    "a module without a place": ("bridle/unplaced.py", "", "imports in bridle only point down"),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copied")
    for package in ("bridle-audit", "bridle"):
        shutil.copytree(ROOT / "packages" / package / "src", folder, dirs_exist_ok=True)
    return folder


def contracts(folder):
    """Returns the state of each contract, KEPT or BROKEN."""
    command = [str(LINT), "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    said = re.findall(r"^(.+) (KEPT|BROKEN)\b.*$", told.stdout, flags=re.MULTILINE)
    return dict(said) or pytest.fail(told.stdout + told.stderr)


def test_all_contracts_are_kept(copied):
    assert set(contracts(copied).values()) == {"KEPT"}


@pytest.mark.parametrize("planted", PLANTED)
def test_an_import_through_a_wall_is_seen(copied, planted):
    path, line, contract = PLANTED[planted]
    file = copied / path
    before = file.read_bytes() if file.exists() else None
    try:
        file.write_bytes((before or b"") + f"\n{line}\n".encode())
        said = contracts(copied)
    finally:
        file.unlink() if before is None else file.write_bytes(before)
    assert said[contract] == "BROKEN"
