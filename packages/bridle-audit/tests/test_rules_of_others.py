"""Rules of other packages: a small package, installed as pip would leave it, joins with a rule and adds to another."""

import subprocess
import sys
from pathlib import Path

import pytest

PAGE = """---
severity: {severity}
---

# no-early-nights

A training runs for a thousand epochs.

## What it finds

A loop over `range(1000)`.

## Why it hurts

It takes all night.

## References

- Nobody, 2026, https://example.org
"""
CHECK = """
import ast

from bridle_audit.findings import Finding


def check(program):
    for call in program.calls("range"):
        if call.value(0, "stop", None) == 1000:
            yield Finding("the loop", "1000 epochs", "range(10)", location=call.location)
"""
LOOP = "import torch\nfor epoch in range({epochs}):\n    pass\n"
LIST = """
from bridle_audit.rules import RULES
from bridle_audit.run.files import audit_files
print(*[(each.rule, each.severity, each.location.line) for each in audit_files(["."]).findings])
print(list(RULES["dead-output"].checks), RULES.get("no-early-nights") and RULES["no-early-nights"].page.why)
"""


@pytest.fixture
def installed(tmp_path):
    """The folder in which a package with one rule lies, whose parts a test may still change."""
    files = {
        "nightly/__init__.py": "",
        "nightly/rules/__init__.py": "",
        "nightly/rules/no_early_nights/__init__.py": "",
        "nightly/rules/no_early_nights/page.md": PAGE.format(severity="warning"),
        "nightly/rules/no_early_nights/bad.py": LOOP.format(epochs=1000),
        "nightly/rules/no_early_nights/good.py": LOOP.format(epochs=10),
        "nightly/rules/no_early_nights/static.py": CHECK,
        "nightly-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: nightly\nVersion: 1.0\n",
        "nightly-1.0.dist-info/entry_points.txt": "[bridle_audit.rules]\nnightly = nightly.rules\n",
    }
    for name, text in files.items():
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "site"


def audited(installed: Path, code: str = LIST) -> subprocess.CompletedProcess[str]:
    """What a process says that finds the package beside all others."""
    work = installed.parent / "work"
    work.mkdir(exist_ok=True)
    (work / "train.py").write_text(LOOP.format(epochs=1000))
    begin = f"import sys; sys.path.insert(0, {str(installed)!r})\n"
    return subprocess.run([sys.executable, "-c", begin + code], capture_output=True, text=True, check=False, cwd=work)


def test_a_rule_of_another_package_joins_with_its_page(installed):
    told = audited(installed)
    assert told.stdout.splitlines()[0] == "('no-early-nights', 'warning', 2)", told.stderr
    assert told.stdout.splitlines()[1].endswith("It takes all night.")


def test_a_folder_without_a_page_adds_a_check_to_the_rule_of_its_name(installed):
    folder = installed / "nightly/rules/dead_output"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "static.py").write_text(CHECK)
    found, kinds = audited(installed).stdout.splitlines()
    assert found == "('dead-output', 'error', 2) ('no-early-nights', 'warning', 2)"
    assert kinds.startswith("['probe', 'study', 'static']")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "no_early_nights/page.md",
            PAGE.format(severity="grave"),
            "severity must be one of note, warning, error, got 'grave'",
        ),
        (
            "no_early_nights/page.md",
            PAGE.replace("## Why it hurts", "## Why"),
            "headings of page.md must be What it finds",
        ),
        ("no_early_nights/page.md", PAGE.replace("# no-early-nights", "# nights"), "page.md begins with"),
        ("no_early_nights/bad.py", None, "rule no-early-nights: its folder has no bad.py"),
        ("no_early_nights/static.py", None, "its folder has no check"),
        ("no_early_nights/page.md", None, "has no page.md, and there is no rule no-early-nights"),
        ("__init__.py", "import a_module_that_is_not_there", "No module named 'a_module_that_is_not_there'"),
    ],
)
def test_a_package_whose_rules_cannot_be_used_is_named_with_what_is_wrong(installed, file, text, said):
    path = installed / "nightly/rules" / file
    path.unlink() if text is None else path.write_text(text)
    told = audited(installed)
    assert told.returncode == 1
    last = told.stderr.splitlines()[-1]
    assert last.startswith("bridle_audit.errors.InputError: nightly brings rules that cannot be used") and said in last
    assert last.endswith("mend or uninstall it")


def test_a_rule_that_there_is_cannot_come_a_second_time(installed):
    folder = installed / "nightly/rules"
    (folder / "no_early_nights").rename(folder / "dead_output")
    page = folder / "dead_output/page.md"
    page.write_text(PAGE.format(severity="note").replace("no-early-nights", "dead-output"))
    assert "there is a rule dead-output already" in audited(installed).stderr


def test_a_check_that_a_rule_has_already_is_not_replaced(installed):
    folder = installed / "nightly/rules/dead_output"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "probe.py").write_text(CHECK)
    last = audited(installed).stderr.splitlines()[-1]
    assert last.startswith("bridle_audit.errors.InputError: nightly brings rules that cannot be used")
    assert "rule dead-output has probe.py already" in last


@pytest.mark.parametrize(
    ("folder", "files", "said"),
    [
        (
            "late_nights",
            ["page.md", "static.py"],
            "the folder late_nights has no __init__.py, so it cannot be imported",
        ),
        ("late_nights", ["__init__.py"], "the folder late_nights has neither a page nor a check: none of page.md, "),
        ("dead_output", ["__init__.py"], "the folder dead_output has neither a page nor a check: none of page.md, "),
        ("dead_output", ["__init__.py", "statics.py"], "the folder dead_output has neither a page nor a check"),
    ],
)
def test_a_folder_that_is_no_rule_is_named_with_what_is_missing(installed, folder, files, said):
    for name in files:
        file = installed / "nightly/rules" / folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
    last = audited(installed).stderr.splitlines()[-1]
    assert last.startswith("bridle_audit.errors.InputError: nightly brings rules that cannot be used") and said in last


@pytest.mark.parametrize("name", ["__pycache__", ".ipynb_checkpoints", "left_by_git/__pycache__"])
def test_a_folder_of_caches_is_passed_over(installed, name):
    file = installed / "nightly/rules" / name / "cached.pyc"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    told = audited(installed)
    assert told.stdout.splitlines()[0] == "('no-early-nights', 'warning', 2)", told.stderr


def test_a_check_that_raises_is_a_fault_of_the_package_that_brings_it(installed):
    (installed / "nightly/rules/no_early_nights/static.py").write_text(
        "def check(program):\n    return {}['planted']\n"
    )
    told = audited(installed, "from bridle_audit.run.files import audit_files; print(*audit_files(['.']).remarks)")
    assert told.stdout == (
        "train.py: no-early-nights failed on it, a fault of nightly.rules.no_early_nights.static "
        "(KeyError: 'planted'; static.py, line 2)\n"
    ), told.stderr


def test_a_check_of_ours_that_raises_is_a_fault_of_bridles(installed):
    code = """
from bridle_audit.rules import RULES
from bridle_audit.run.files import audit_files
import bridle_audit.rules.one_seed.static as module
module.check = lambda program: [][0]
print(*audit_files(["."], select=["one-seed"]).remarks)
"""
    assert "one-seed failed on it, a fault of bridle's (IndexError: " in audited(installed, code).stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("def check(program)", "SyntaxError: expected ':'"),
        ("raise KeyError('planted')", "KeyError: 'planted'"),
        ("def checks(program): ...", "has no attribute 'check'"),
    ],
)
def test_a_check_that_cannot_be_imported_is_one_sentence(installed, text, said):
    (installed / "nightly/rules/no_early_nights/static.py").write_text(text)
    told = audited(installed, "from bridle_audit.cli import main; sys.argv[1:] = ['.']; main()")
    assert (told.returncode, told.stdout) == (2, "")
    (line,) = told.stderr.splitlines()
    assert line.startswith("nightly.rules.no_early_nights.static cannot be used as a check") and said in line
    ignored = "from bridle_audit.cli import main; sys.argv[1:] = ['.', '--ignore', 'no-early-nights']; main()"
    assert audited(installed, ignored).returncode == 0


def test_all_that_reads_files_imports_neither_torch_nor_numpy(installed):
    code = f"""
from bridle_audit.rules import RULES
from bridle_audit.static import read_source
program = read_source({LOOP.format(epochs=1000)!r})
print(len([each for rule in RULES.values() for each in rule.find("static", program)]))
print(sorted({{"torch", "numpy", "pandas"}} & set(sys.modules)))
"""
    told = audited(installed, code)
    assert told.stdout.splitlines() == ["1", "[]"], told.stderr
