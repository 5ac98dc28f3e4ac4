"""An audit in the forms that ``bridle audit --format`` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bridle.findings import FileAudit
from bridle.report.annotations import findings_annotations
from bridle.report.findings import findings_json, findings_lines
from bridle.report.sarif import findings_sarif

FORMS: Mapping[str, Callable[[FileAudit, Path], str]] = {
    "text": lambda audit, _: findings_lines(audit),
    "json": lambda audit, _: findings_json(audit),
    "sarif": findings_sarif,
    "github": findings_annotations,
}


def audit_as(form: str, audit: FileAudit, root: Path) -> str:
    """An audit as text, JSON, SARIF or GitHub annotations; files are named from ``root``, the repository's."""
    if form not in FORMS:
        raise ValueError(f"format must be one of {', '.join(FORMS)}, got {form!r}")
    return FORMS[form](audit, root)
