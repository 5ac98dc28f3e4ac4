"""The findings of an audit in SARIF 2.1.0, which GitHub's code scanning, VS Code and others read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bridle_audit import __version__
from bridle_audit.findings import FileAudit, Finding, Location, Remark, RulePage
from bridle_audit.report.text import one_line, sentence

__all__ = ["findings_sarif", "within"]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def findings_sarif(audit: FileAudit, root: Path) -> str:
    """Return a SARIF log with one run; files below ``root``, which is the repository's, are named from there."""
    rules = [each.name for each in audit.rules]
    notifications = [notification(each, root) for each in audit.remarks]
    run = {
        "tool": {"driver": {"name": "bridle-audit", "version": __version__, "rules": [*map(descriptor, audit.rules)]}},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notifications}],
        "results": [result(each, rules, root) for each in audit.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, allow_nan=False) + "\n"


def descriptor(page: RulePage) -> dict[str, Any]:
    """Return a rule as SARIF declares it, with its whole page."""
    parts = {
        "What it finds": page.what,
        "Why it hurts": page.why,
        "Example": f"```python\n{page.example}\n```",
        "Use instead": f"```python\n{page.instead}\n```",
        "References": "\n".join(f"- {each}" for each in page.references.splitlines()),
    }
    return {
        "id": page.name,
        "shortDescription": {"text": page.summary},
        "fullDescription": {"text": " ".join(page.what.split())},
        "help": {
            "text": f"{page.what}\n\n{page.why}\n\nUse instead:\n\n{page.instead}\n\n{page.references}",
            "markdown": "\n\n".join(f"## {head}\n\n{text}" for head, text in parts.items()),
        },
        "defaultConfiguration": {"level": page.severity},
    }


def result(finding: Finding, rules: list[str], root: Path) -> dict[str, Any]:
    """Return a finding as a result; its numbers stand among the properties."""
    said = {
        "ruleId": finding.rule,
        "level": finding.severity,
        "message": {"text": f"{sentence(finding)}\n\nInstead:\n{finding.cure}"},
        "locations": [result_location(finding, root)],
        "properties": {"numbers": finding.to_json()["numbers"]},
    }
    return said | ({"ruleIndex": rules.index(finding.rule)} if finding.rule in rules else {})


def result_location(finding: Finding, root: Path) -> dict[str, Any]:
    """Return the location of a finding: file, and layer or cell."""
    location = finding.location
    names = [one_line(finding.where)] if finding.where else []
    if location and location.cell is not None:
        names = [f"cell {location.cell}", *names]
    said: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": ": ".join(names)}]} if names else {}
    if location:
        said["physicalLocation"] = {"artifactLocation": artifact(location.file, root), "region": region(location)}
    return said


def region(location: Location) -> dict[str, int]:
    """Return lines and columns; the end is the first column behind it, in SARIF as in Python.

    A notebook is one file to SARIF, and the lines of a cell are none of its: there the region is the file's first line.
    """
    if location.cell is not None:
        return {"startLine": 1}
    return {
        "startLine": location.line,
        "startColumn": location.column,
        "endLine": location.end_line,
        "endColumn": location.end_column,
    }


def artifact(file: str, root: Path) -> dict[str, str]:
    """Return the address of a file: relative to ``root`` if it is below it."""
    name = within(file, root)
    if name is None:
        return {"uri": (root / file).resolve().as_uri()}
    return {"uri": quote(os.fsencode(name)), "uriBaseId": "%SRCROOT%"}


def within(file: str, root: Path) -> str | None:
    """Return the path from ``root``, with slashes; None for a file elsewhere."""
    path = (root / file).resolve()
    return path.relative_to(root.resolve()).as_posix() if path.is_relative_to(root.resolve()) else None


def notification(remark: Remark, root: Path) -> dict[str, Any]:
    """Return a remark as a notification of the tool."""
    return {
        "level": "warning",
        "message": {"text": remark.text},
        "locations": [{"physicalLocation": {"artifactLocation": artifact(remark.file, root)}}],
    }
