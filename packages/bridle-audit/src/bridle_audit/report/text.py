"""The findings of an audit: for people on the terminal, and in a line each for `grep`, editors and logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from bridle_audit.findings import SEVERITIES, FileAudit, Finding
from bridle_audit.wording import counted, printable

__all__ = ["findings_lines", "findings_text", "one_line", "remark_lines", "sentence"]

STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
INDENT = 4
NAMED = 3  # how many rules the last line names; of more, it says how


@dataclass(frozen=True)
class Found:
    """An audit: grouped by file on a terminal; elsewhere one line each, for `grep`, editors and the logs of CI."""

    audit: FileAudit

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not options.is_terminal:
            yield Text(findings_lines(self.audit).removesuffix("\n"))
            return
        findings = in_order(self.audit.findings)
        yield from (part for name, group in groupby(findings, heading) for part in grouped(name, group))
        yield Text(count(self.audit), style="bold" if findings else "")
        if findings:
            yield Text(where_to_read(self.audit.findings.rules), style="dim")


def findings_text(audit: FileAudit) -> Found:
    """Return an audit as an object that ``rich`` prints."""
    return Found(audit)


def findings_lines(audit: FileAudit) -> str:
    """Return a line for each finding, and one that counts them."""
    return "".join(f"{each}\n" for each in [*map(line, in_order(audit.findings)), count(audit)])


def remark_lines(audit: FileAudit) -> list[str]:
    """Return the remarks, a line each."""
    return [printable(one_line(str(each))) for each in audit.remarks]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by file and line, those without a file first."""

    def file_and_line(each: Finding) -> tuple[str, int, int, int]:
        location = each.location
        return (location.file, location.cell or 0, location.line, location.column) if location else ("", 0, 0, 0)

    return sorted(findings, key=file_and_line)


def heading(finding: Finding) -> str:
    """Return the heading of a finding: its file, or "the model"."""
    return finding.location.file if finding.location else "the model"


def grouped(name: str, findings: Iterable[Finding]) -> Iterator[RenderableType]:
    """Yield the findings of one file, a paragraph each."""
    yield Text(printable(name), style="bold underline")
    for each in findings:
        yield Padding(title(each), (0, 0, 0, INDENT // 2), expand=False)
        yield Padding(Text(printable(one_line(each.message))), (0, 0, 0, INDENT), expand=False)
        yield Padding(cure(each.cure), (0, 0, 1, INDENT), expand=False)


def cure(text: str) -> Table:
    """Return a cure as highlighted code."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(
        Text("instead:", style="dim"),
        Syntax(printable(text), "python", theme="ansi_dark", background_color="default", word_wrap=True),
    )
    return grid


def title(finding: Finding) -> Text:
    """Return the line above a message: location, severity and rule."""
    location = finding.location
    cell = f"cell {location.cell}, " if location and location.cell is not None else ""
    shown = f"{cell}{location.line}:{location.column}  " if location else ""
    named = Text.assemble(shown, (finding.severity, STYLES[finding.severity]), "  ", (finding.rule, "bold"))
    return named.append(f"  {printable(one_line(finding.where))}" if finding.where else "")


def line(finding: Finding) -> str:
    """Return a finding as ``file:line:column: severity rule: where: message``, then the cure, if it is one line."""
    cure = finding.cure.strip()
    instead = f"; instead: {cure}" if "\n" not in cure else ""
    where = f"{one_line(finding.where)}: " if finding.where else ""
    said = f"{finding.severity} {finding.rule}: {where}{one_line(finding.message).rstrip('.')}{instead}"
    whole = printable(f"{finding.location}: {said}" if finding.location else said)
    return whole.replace("\n", "\\n")  # which the name of a file may hold


def sentence(finding: Finding) -> str:
    """Return a message with its layer and notebook cell, for readers of reports that know neither."""
    location = finding.location
    cell = f"cell {location.cell}, line {location.line}: " if location and location.cell is not None else ""
    where = f"{one_line(finding.where)}: " if finding.where else ""
    return f"{cell}{where}{one_line(finding.message)}"


def count(audit: FileAudit) -> str:
    """Count the findings, and the files and models that were checked."""
    severities = [each.severity for each in audit.findings]
    found = [counted(each, severities.count(each)) for each in reversed(SEVERITIES) if each in severities]
    checked = {"file": len(audit.files), "model": len(audit.factories)}
    counts = [counted(noun, number) for noun, number in checked.items() if number] or ["no file"]
    unread = f"; {counted('remark', len(audit.remarks))} on what was not read" if audit.remarks else ""
    return f"{', '.join(found) or 'nothing found'} in {' and '.join(counts)}{unread}"


def where_to_read(rules: list[str]) -> str:
    """Return the command that shows the pages of the rules."""
    names = ",".join(rules) if len(rules) <= NAMED else "RULE"
    return f"why: bridle-audit --explain {names}"


def one_line(text: str) -> str:
    """Join the lines of a text."""
    return " ".join(text.split())
