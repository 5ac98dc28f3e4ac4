"""What a user can mend is one family of errors; a fault of the program keeps its traceback."""

import subprocess
import sys

import pytest

from bridle_audit import audit
from bridle_audit.errors import BridleError, DependencyError, InputError, StateError


@pytest.mark.parametrize(
    ("kind", "builtin"), [(InputError, ValueError), (StateError, RuntimeError), (DependencyError, ImportError)]
)
def test_each_error_is_the_one_of_python_that_others_expect_as_well(kind, builtin):
    assert issubclass(kind, BridleError)
    assert issubclass(kind, builtin)


def test_a_refusal_is_an_error_of_the_family(tmp_path):
    with pytest.raises(BridleError, match="no_such_rule"):
        audit(tmp_path, allow=["no_such_rule"])


FAULTY = """
import sys
from bridle_audit.cli import entry_point

def app():
    raise ValueError("from within a library")

entry_point.run(app)
"""


def test_a_fault_of_the_program_keeps_its_traceback_and_says_where_to_report_it():
    done = subprocess.run([sys.executable, "-c", FAULTY], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    first, *rest = done.stderr.splitlines()
    assert first.startswith("This is a fault of the program, not of what you gave it.")
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "ValueError: from within a library"
