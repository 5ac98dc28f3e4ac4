"""The command line, in this process and in real ones."""

import os
import signal
import subprocess
import sys
from typing import Any

from typer.testing import CliRunner, Result

from bridle.cli import app

TINY = ("compare", "--epochs", "1", "--seeds", "2", "--network", "mlp(4)", "--recipe", "Dropout(rate=0.5)")
WIDE = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


def run(*arguments: object) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, [str(each) for each in arguments], env=WIDE)


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own, as its users do."""
    command = [sys.executable, "-m", "bridle", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", **WIDE}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored, as of a job in the background, stays so
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options)
