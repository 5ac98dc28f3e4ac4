"""What the command line names: paths to read, and factories to call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridle.auditing.audit import allowed
from bridle.auditing.factories import audit_factory
from bridle.auditing.files import audit_files, pages_of
from bridle.auditing.rules import RULES
from bridle.findings import FileAudit, Findings

FACTORY = re.compile(r"[\w.]+:[\w.]+")


def audit_targets(targets: Sequence[str], allow: Sequence[str] = ()) -> FileAudit:
    """Files and folders, read; and what is written ``module:factory``, imported and called; all in one."""
    factories = [each for each in dict.fromkeys(targets) if FACTORY.fullmatch(each) and not Path(each).exists()]
    read = audit_files([each for each in targets if each not in factories], allow)
    probed = [finding for each in factories for finding in audit_factory(each, allow)]
    return replace(
        read,
        findings=Findings.of([*read.findings, *probed]),
        factories=tuple(factories),
        rules=pages_of(allowed(RULES.values(), allow)),
    )
