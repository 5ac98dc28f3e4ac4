"""The findings of an audit as GitHub's workflow commands, which mark the lines of a pull request.

Reference: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bridle_audit.findings import FileAudit, Location
from bridle_audit.report.sarif import within
from bridle_audit.report.text import sentence
from bridle_audit.wording import printable

__all__ = ["findings_annotations"]

COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
IN_MESSAGE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
IN_PROPERTY = IN_MESSAGE | {":": "%3A", ",": "%2C"}


def findings_annotations(audit: FileAudit, root: Path) -> str:
    """Return a line for each finding and each remark; files below ``root``, the repository's, are named from there."""
    return "".join(f"{each}\n" for each in commands(audit, root))


def commands(audit: FileAudit, root: Path) -> Iterator[str]:
    """Yield the commands, findings first."""
    for each in audit.findings:
        location = each.location
        properties = {"file": within(location.file, root) or location.file, **lines(location)} if location else {}
        yield command(
            COMMANDS[each.severity], {**properties, "title": each.rule}, f"{sentence(each)}\nInstead: {each.cure}"
        )
    for remark in audit.remarks:
        file = within(remark.file, root) or remark.file
        yield command("notice", {"file": file, "title": "not read by bridle-audit"}, remark.text)


def lines(location: Location) -> dict[str, int]:
    """Return the lines of a location; GitHub refuses columns of several lines, and knows no cells of notebooks."""
    if location.cell is not None:
        return {}
    if location.line != location.end_line:
        return {"line": location.line, "endLine": location.end_line}
    return {
        "line": location.line,
        "endLine": location.end_line,
        "col": location.column,
        "endColumn": location.end_column,
    }


def command(name: str, properties: Mapping[str, object], text: str) -> str:
    """Format a workflow command.

    >>> command("error", {"file": "a,b.py", "line": 3}, "100 %\\nof it: gone")
    '::error file=a%2Cb.py,line=3::100 %25%0Aof it: gone'
    """
    given = ",".join(f"{key}={escaped(str(value), IN_PROPERTY)}" for key, value in properties.items())
    return f"::{name} {given}::{escaped(text, IN_MESSAGE)}"


def escaped(text: str, codes: Mapping[str, str]) -> str:
    """Replace the characters that would end a message or a property by their codes."""
    return "".join(codes.get(each, each) for each in printable(text))
