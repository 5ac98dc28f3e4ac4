"""The public names of bridle_audit, with torch and without."""

import subprocess
import sys

import pytest

import bridle_audit

WITHOUT_TORCH = """
import sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Blocker())
"""


def without_torch(code):
    """Run code in a process in which torch cannot be imported."""
    return subprocess.run([sys.executable, "-c", WITHOUT_TORCH + code], capture_output=True, text=True, check=False)


def test_every_public_name_can_be_imported():
    assert bridle_audit.watch.__name__ == "watch" and callable(bridle_audit.watch)
    assert all(hasattr(bridle_audit, each) for each in bridle_audit.__all__)


@pytest.mark.parametrize("name", ["audit", "watch", "ledger", "audit_factory", "convert_strength"])
@pytest.mark.parametrize("code", ["import bridle_audit; bridle_audit.{}", "from bridle_audit import {}"])
def test_a_name_that_needs_torch_says_so_without_it(name, code):
    done = without_torch(f"try:\n    {code.format(name)}\nexcept ImportError as error:\n    print(error)")
    assert done.stdout == f"bridle_audit.{name} needs torch; install it with pip install 'bridle-audit[probe]'\n"


def test_names_that_read_files_need_no_torch():
    done = without_torch("from bridle_audit import Finding, audit_files, audit_targets; print('imported')")
    assert done.stdout == "imported\n", done.stderr


def test_another_module_that_is_missing_is_named_by_python():
    code = "import sys; sys.modules['bridle_audit.run.selection'] = None; import bridle_audit; bridle_audit.audit"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr.splitlines()[-1] and "needs" not in done.stderr.splitlines()[-1]
