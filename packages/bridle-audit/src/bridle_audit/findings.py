"""A finding: what an audit has found, as plain data that is read without torch or NumPy."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from bridle_audit.errors import InputError

__all__ = ["NEVER", "PAGES", "SEVERITIES", "FileAudit", "Finding", "Findings", "Location", "Remark", "RulePage"]

SEVERITIES = ("note", "warning", "error")  # from the mildest
NEVER = "never"  # in place of a severity: nothing fails
PAGES = "docs/audit/rules"  # where the rules' pages stand in the repository


@dataclass(frozen=True)
class Location:
    """A location in a file: lines and columns count from 1, as editors show them; ``cell`` is a notebook's."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    cell: int | None = None  # counts the code cells from 1; the lines are then those of the cell

    def __str__(self) -> str:
        cell = f":cell {self.cell}" if self.cell is not None else ""
        return f"{self.file}{cell}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Finding:
    """One mistake, or what is worth a look.

    A rule's check fills in ``where``, ``message`` and ``cure``; the rule's name and severity are added when it is run.
    """

    where: str  # a layer, a parameter, a group of the optimizer; empty where the location says it
    message: str  # a sentence, with the number that was measured
    cure: str  # code: what to write instead
    numbers: dict[str, float] = field(default_factory=dict)  # what was measured
    location: Location | None = None
    rule: str = ""
    severity: str = ""

    @property
    def page(self) -> str:
        """The rule's page in the repository; ``bridle-audit --explain`` shows the same."""
        return f"{PAGES}/{self.rule}.md"

    def __str__(self) -> str:
        where = " · ".join(str(each) for each in (self.location, self.where) if each)
        return f"{self.severity} {self.rule}: {where}: {self.message}"

    def to_json(self) -> dict[str, Any]:
        """All of it, with the page; numbers that are not finite become null."""
        numbers = {name: value if math.isfinite(value) else None for name, value in self.numbers.items()}
        return {**dataclasses.asdict(self), "numbers": numbers, "page": self.page}


class Findings(tuple[Finding, ...]):
    """The findings of an audit, the worst first; empty where there is nothing to find.

    >>> print(Findings.of([]))
    nothing found
    """

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Self:
        """In order: by severity, then as they were found; what is said twice is said once."""
        once = {(each.rule, each.where, each.message, each.location): each for each in findings}
        return cls(sorted(once.values(), key=lambda each: -SEVERITIES.index(each.severity)))

    def at_least(self, severity: str) -> Self:
        """Return the findings of this severity or a worse one; ``ValueError`` for an unknown severity."""
        if severity not in SEVERITIES:
            raise InputError(f"unknown severity {severity!r}; one of {', '.join(SEVERITIES)}")
        least = SEVERITIES.index(severity)
        return type(self)(each for each in self if SEVERITIES.index(each.severity) >= least)

    @property
    def rules(self) -> list[str]:
        """The names of the rules that found something, each once."""
        return list(dict.fromkeys(each.rule for each in self))

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "nothing found"


@dataclass(frozen=True)
class RulePage:
    """The page of a rule; ``bridle-audit --explain`` prints it."""

    name: str
    severity: str
    summary: str  # a sentence
    what: str
    why: str
    example: str  # code that has the mistake
    instead: str  # the same without it
    references: str  # one a line
    kinds: tuple[str, ...] = ()  # of evidence that it looks at

    @property
    def sections(self) -> tuple[tuple[str, str], ...]:
        """Headings and texts, in the order in which they are read."""
        return (
            ("What it finds", self.what),
            ("Why it hurts", self.why),
            ("Example", self.example),
            ("Use instead", self.instead),
            ("References", self.references),
        )


@dataclass(frozen=True)
class Remark:
    """A remark: the reason why a file, or a part of it, was not looked at."""

    file: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"


@dataclass(frozen=True)
class FileAudit:
    """The findings in files and in the models of factories, and what was not looked at."""

    findings: Findings
    remarks: tuple[Remark, ...] = ()
    files: tuple[str, ...] = ()  # those that were read
    factories: tuple[str, ...] = ()  # those that were called
    rules: tuple[RulePage, ...] = ()  # those that were asked
