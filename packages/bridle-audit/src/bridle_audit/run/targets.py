"""The targets of the command line: paths to read, and factories to call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from bridle_audit.errors import InputError
from bridle_audit.findings import FileAudit, Finding, Findings
from bridle_audit.rules import RULES
from bridle_audit.run.files import audit_files, rule_pages
from bridle_audit.run.selection import select_rules

__all__ = ["audit_targets"]

FACTORY = re.compile(r"[\w.]+:[\w.]+")


def audit_targets(
    targets: Sequence[str],
    allow: Sequence[str] = (),
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    jobs: int = 1,
) -> FileAudit:
    """Audit files and folders, which are read, and factories, given as ``module:factory``, which are called."""
    factories = [each for each in dict.fromkeys(targets) if FACTORY.fullmatch(each) and not Path(each).exists()]
    read = audit_files([each for each in targets if each not in factories], allow, select, exclude, jobs)
    rules = select_rules(allow, select)
    names = [each.name for each in rules]
    probed = audit_factories(factories, [each for each in RULES if each not in names]) if factories else []
    return replace(
        read,
        findings=Findings.of([*read.findings, *probed]),
        factories=tuple(factories),
        rules=rule_pages(rules),
    )


def audit_factories(names: Sequence[str], allow: Sequence[str]) -> list[Finding]:
    """Return the findings in what factories make; ``InputError`` if there is no torch to probe with."""
    if find_spec("torch") is None:
        raise InputError(
            f"{names[0]} makes a model, and models are probed with torch, which is not installed; "
            "pip install 'bridle-audit[probe]', or name files and folders only"
        )
    from bridle_audit.run.factories import audit_factory  # noqa: PLC0415  (files are read without torch)

    return [finding for each in names for finding in audit_factory(each, allow)]
