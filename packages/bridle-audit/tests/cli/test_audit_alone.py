"""bridle-audit where neither torch nor NumPy nor bridle can be imported finds what it finds elsewhere."""

import json
import subprocess
import sys

from audit_command import RULE, WIDE

import bridle_audit
from bridle_audit import audit_files
from bridle_audit.report import audit_as
from bridle_audit.rules import RULES
from repository import ROOT

CORPUS = ROOT / "packages" / "bridle-audit" / "tests" / "corpus"
BLOCKED = ("torch", "numpy", "scipy", "pandas", "sklearn", "bridle")
PROGRAM = f"""
import importlib.metadata, sys

sys.modules.update(dict.fromkeys({BLOCKED}))  # with None in its place a module is not found
registered = importlib.metadata.entry_points
importlib.metadata.entry_points = lambda group: [] if group.startswith("bridle_audit.") else registered(group=group)
from bridle_audit.cli import main
main()
"""


def alone(*arguments):
    """The command in a process that has nothing else."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "packages" / "bridle-audit" / "src"), **WIDE},
    )


def test_what_is_blocked_is_blocked():
    code = PROGRAM.replace("main()", "import torch.nn")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 1 and "ModuleNotFoundError" in told.stderr


def test_the_corpus_has_the_same_findings():
    told = alone(CORPUS.relative_to(ROOT), "--format", "json", "--fail-on", "never", "--jobs", "1")
    assert (told.returncode, told.stderr) == (0, "")
    here = json.loads(audit_as("json", audit_files([CORPUS]), ROOT))
    there = json.loads(told.stdout)
    assert len(there["findings"]) > 100
    without_folder = json.loads(json.dumps(here["findings"]).replace(f"{ROOT}/", ""))
    assert there["findings"] == without_folder


def test_rules_are_listed_and_explained_and_the_version_is_told():
    ours = {name for name, rule in RULES.items() if rule.package.startswith("bridle_audit.")}
    assert {each["name"] for each in json.loads(alone("--rules", "--format", "json").stdout)} == ours
    assert alone("--explain", RULE).stdout.startswith(f"{RULE}, error: ")
    assert alone("--version").stdout == f"bridle-audit {bridle_audit.__version__}\n"


def test_a_factory_is_one_sentence():
    told = alone("package.module:make")
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (2, "", 1)
    assert "pip install 'bridle-audit[probe]'" in told.stderr


def test_the_help_imports_no_rule():
    code = (
        "import sys; from typer.testing import CliRunner; from bridle_audit.cli import app;"
        "print(CliRunner().invoke(app, ['--help']).stdout);"
        "print([each for each in sys.modules if each.startswith(('bridle_audit.r', 'bridle_audit.s', 'bridle.'))])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"
    for option in ("--select", "--ignore", "--exclude", "--jobs", "--format", "--output", "--rules", "--explain"):
        assert f"{option} " in shown
