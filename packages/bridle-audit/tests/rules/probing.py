"""One rule, probed on a model or read in a text."""

from __future__ import annotations

from typing import Any

from bridle_audit.findings import Finding
from bridle_audit.probe.copying import fixed_seed
from bridle_audit.probe.setup import Setup
from bridle_audit.rules import RULES
from bridle_audit.static import read_source


def probed(rule: str, model: Any, loss: Any = None, batch: Any = None, **more: Any) -> list[Finding]:
    """Return the rule's findings in a model and what it is trained with."""
    with fixed_seed():
        setup = Setup.of(model, more.pop("optimizer", None), loss, batch, **more)
        return list(RULES[rule].find("probe", setup))


def line_of(finding: Finding) -> int:
    """Return the line of the program at which a finding points."""
    assert finding.location is not None
    return finding.location.line


def read(rule: str, text: str) -> list[Finding]:
    """Return the rule's findings in a program."""
    return list(RULES[rule].find("static", read_source(text, "program.py")))
