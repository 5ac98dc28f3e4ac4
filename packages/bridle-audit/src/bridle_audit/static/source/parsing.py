"""A file's text as a syntax tree, and the way back from a node to where it stands in the file."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bridle_audit.errors import InputError
from bridle_audit.findings import Location

__all__ = ["Cell", "Source", "Unreadable", "is_python_2", "parse"]

VERSION = f"Python {sys.version_info.major}.{sys.version_info.minor}"
# What stands in a line that Python 3 refuses and Python 2 took.
PYTHON_2 = (
    (re.compile(r"^\s*(.*[:;]\s*)?print\s+[^\s(=.,\[]"), "a print statement"),
    (re.compile(r"^\s*except\s+[\w.]+\s*,\s*\w+\s*:"), "an 'except X, e'"),
    (re.compile(r"^\s*except\s*\([^)]*\)\s*,\s*\w+\s*:"), "an 'except X, e'"),
    (re.compile(r"^\s*raise\s+[\w.]+\s*,"), "a 'raise X, message'"),
    (re.compile(r"^\s*exec\s+[^\s(=.,]"), "an exec statement"),
    (re.compile(r"\b\d+[lL]\b|\b0\d+\b"), "an integer of Python 2"),
    (re.compile(r"\bur['\"]"), "a ur'...' string"),
    (re.compile(r"`[^`]+`|<>"), "an operator of Python 2"),
)


class Unreadable(InputError):
    """A file that cannot be read as Python 3; its text is one sentence, with the file and the line if there is one.

    >>> print(Unreadable("old.py", "not Python", 3))
    old.py: line 3: not Python
    """

    def __init__(self, file: str, reason: str, line: int | None = None) -> None:
        self.file, self.reason, self.line = file, reason, line
        super().__init__(f"{file}: line {line}: {reason}" if line is not None else f"{file}: {reason}")


@dataclass(frozen=True)
class Cell:
    """A code cell of a notebook: its number, and the line of the whole text on which it starts."""

    number: int  # counts the code cells from 1
    start: int


@dataclass(frozen=True, eq=False)
class Source:
    """The text of a file, or of a notebook's code cells one after another, and its tree."""

    file: str
    text: str
    tree: ast.Module
    cells: tuple[Cell, ...] = ()  # of a notebook
    shifts: dict[int, int] = field(default_factory=dict)  # by line: how many columns a magic took in front of the code
    remarks: tuple[str, ...] = ()  # what was left out

    @cached_property
    def lines(self) -> list[str]:
        """The lines as Python counts them: only a line feed ends one."""
        return self.text.split("\n")

    def location(self, node: ast.AST) -> Location:
        """Return the location of a node."""
        first = first_positioned(node)
        line, end_line = first.lineno, first.end_lineno or first.lineno
        column = self.column(line, first.col_offset)
        end_column = self.column(end_line, first.end_col_offset or first.col_offset)
        cell = self.cell_of(line)
        start = cell.start - 1 if cell else 0
        return Location(self.file, line - start, column, end_line - start, end_column, cell.number if cell else None)

    def column(self, line: int, offset: int) -> int:
        """From an offset in bytes to a column in characters, which counts from 1."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        characters = offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))
        return characters + self.shifts.get(line, 0) + 1

    def cell_of(self, line: int) -> Cell | None:
        """The cell in which a line of the whole text stands; None where there are no cells."""
        number = bisect_right([each.start for each in self.cells], line)
        return self.cells[number - 1] if number else None

    def line_of(self, location: Location) -> int:
        """The line of the whole text at which a place starts."""
        starts = {each.number: each.start for each in self.cells}
        return location.line + starts.get(location.cell or 0, 1) - 1


def first_positioned(node: ast.AST) -> Any:
    """The node, or the first one within it that has a position; the start of the file where there is none."""
    for each in ast.walk(node):
        if hasattr(each, "lineno"):
            return each
    return ast.Pass(lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)


def parse(text: str, file: str) -> ast.Module:
    """The tree of a text; ``Unreadable`` where it is not Python 3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as for "\d": the text is not ours
        try:
            return ast.parse(text)
        except SyntaxError as error:
            raise syntax_error(error, text, file) from None
        except ValueError as error:
            raise Unreadable(file, f"not Python: {error}") from None
        except (RecursionError, MemoryError):
            raise Unreadable(file, "its code is nested too deeply to be read") from None


def syntax_error(error: SyntaxError, text: str, file: str) -> Unreadable:
    """Return the error to raise for a syntax error; Python 2 is named as such."""
    lines, number = text.split("\n"), error.lineno or 1
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    for pattern, what in PYTHON_2:
        if pattern.search(line):
            return Unreadable(file, f"this is Python 2, it has {what}; only Python 3 is read", number)
    return Unreadable(file, f"{error.msg}; it was read as {VERSION}", number)


def is_python_2(error: Unreadable) -> bool:
    """Return True if a file was refused because it is Python 2."""
    return error.reason.startswith("this is Python 2")
