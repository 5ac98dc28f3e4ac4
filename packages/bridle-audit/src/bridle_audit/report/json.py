"""The findings of an audit as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from bridle_audit import __version__
from bridle_audit.findings import FileAudit

__all__ = ["findings_json"]

VERSION = 3  # of the form: 2 had "place" instead of "location", 1 called the program bridle


def findings_json(audit: FileAudit) -> str:
    """Return an audit as strict JSON, in ASCII: a file's name need not be valid Unicode."""
    whole = {
        "version": VERSION,
        "bridle-audit": __version__,
        "findings": [each.to_json() for each in audit.findings],
        "remarks": [asdict(each) for each in audit.remarks],
        "files": audit.files,
        "factories": audit.factories,
        "rules": [each.name for each in audit.rules],
    }
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"
