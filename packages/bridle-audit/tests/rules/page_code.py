"""The code of a rule's page, run as a program."""

from __future__ import annotations

from typing import Any

import torch

from bridle_audit.probe.copying import fixed_seed
from bridle_audit.rules import RULES


def run_page(rule: str, section: str) -> dict[str, Any]:
    """Run the code of a section and return the names that it leaves behind; its random numbers are its own."""
    names: dict[str, Any] = {"__name__": "page"}
    with fixed_seed():
        torch.manual_seed(0)
        exec(compile(dict(RULES[rule].page.sections)[section], f"<{rule}: {section}>", "exec"), names)
    return names
