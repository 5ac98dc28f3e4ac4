"""The command ``bridle-audit``, in this process and in real ones; and a program with a mistake, and one without."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

from typer.testing import CliRunner, Result

from bridle_audit.cli import app

WIDE = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
RULE = "relu-on-logits"
CLAMPED = """\
from torch import nn

model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10), nn.ReLU())
loss = nn.CrossEntropyLoss()


def step(x, y):
    return loss(model(x), y)
"""
RIGHT = CLAMPED.replace(", nn.ReLU())\nloss", ")\nloss")


def run(*arguments: object) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, [str(each) for each in arguments], env=WIDE)


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start the command in a process of its own, as its users do."""
    command = [sys.executable, "-m", "bridle_audit", *map(str, arguments)]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored, as of a job in the background, stays so
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | WIDE, text=True, **options
    )


def found(result: Result) -> list[tuple[str, str]]:
    """Return the rules and files of the findings that the command has printed as JSON."""
    return sorted((each["rule"], each["location"]["file"]) for each in json.loads(result.stdout)["findings"])
