"""The findings of an audit in the forms that ``--format`` names: text, JSON, SARIF, GitHub's annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bridle_audit.errors import InputError
from bridle_audit.findings import FileAudit
from bridle_audit.report.github import findings_annotations
from bridle_audit.report.json import findings_json
from bridle_audit.report.sarif import findings_sarif
from bridle_audit.report.text import findings_lines
from bridle_audit.report.text import findings_text as findings_text
from bridle_audit.report.text import remark_lines as remark_lines

FORMS: Mapping[str, Callable[[FileAudit, Path], str]] = {
    "text": lambda audit, _: findings_lines(audit),
    "json": lambda audit, _: findings_json(audit),
    "sarif": findings_sarif,
    "github": findings_annotations,
}


def audit_as(form: str, audit: FileAudit, root: Path) -> str:
    """Return an audit as text, JSON, SARIF or GitHub annotations; files are named from ``root``, the repository's."""
    if form not in FORMS:
        raise InputError(f"format must be one of {', '.join(FORMS)}, got {form!r}")
    return FORMS[form](audit, root)
