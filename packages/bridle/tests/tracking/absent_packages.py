"""What an import says where a package is not installed."""

import subprocess
import sys

PROGRAM = """
import sys

class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import {module}
"""


def last_words(module: str, *, without: str) -> str:
    """Import a module in a process that lacks a package; return the last line of what it says."""
    program = PROGRAM.format(package=without, module=module)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return ended.stderr.strip().rpartition("\n")[2]
