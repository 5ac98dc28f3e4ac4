"""The code blocks of a rule's page, run as programs: what they define is audited, and their text is read."""

from __future__ import annotations

from typing import Any

import torch

from bridle_audit.findings import Finding
from bridle_audit.probe.copying import fixed_seed
from bridle_audit.rules import RULES
from bridle_audit.run.models import audit
from bridle_audit.static import read_source

SETTINGS = ("optimizer", "loss", "scheduler", "steps", "averaged", "penalty")


def run_block(code: str) -> dict[str, Any]:
    """Run a block and return the names that it leaves behind; its random numbers are its own."""
    names: dict[str, Any] = {"__name__": "block"}
    with fixed_seed():
        torch.manual_seed(0)
        exec(compile(code, "<block>", "exec"), names)
    return names


def findings_of(kind: str, code: str) -> list[Finding]:
    """Return the findings of all rules in a block, from the side of one kind of check."""
    if kind == "static":
        program = read_source(code, "block.py")
        return [each for rule in RULES.values() for each in rule.find("static", program)]
    names = run_block(code)
    if kind == "watch":
        return list(names["watcher"].findings)
    if kind != "probe":
        return list(audit(names[kind]))
    batch = names.get("batch", (names["x"], names["y"]) if "x" in names and "y" in names else None)
    settings: dict[str, Any] = {each: names.get(each) for each in SETTINGS}
    return list(audit(names["model"], batch=batch, **settings))
