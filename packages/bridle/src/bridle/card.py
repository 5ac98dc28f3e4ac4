"""A regularizer's card: its docstring, taken apart for the command line, the pages and the recipe."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import cache
from textwrap import dedent
from typing import Self

from bridle.errors import InputError

__all__ = ["DOUBTFUL", "REFUSED", "Card", "Conflict", "card_of"]

SECTIONS = ("Formula", "Helps when", "Hurts when", "Conversion", "Conflicts", "Example", "Paper")
OPTIONAL = ("Conversion", "Conflicts")
REFUSED, DOUBTFUL = "refused", "doubtful"

HEADING = re.compile(r"^([A-Z][A-Za-z ]*):\n", flags=re.MULTILINE)
ENTRY = re.compile(rf"(?P<names>\w+(?:, \w+)*): (?P<severity>{REFUSED}|{DOUBTFUL})\. (?P<sentence>\S.*)")


@dataclass(frozen=True)
class Conflict:
    """A conflict that a card declares: other regularizers that do not belong in one recipe with it."""

    names: tuple[str, ...]
    severity: str  # "refused", where the two together mean nothing, or "doubtful"
    sentence: str  # why, and what to do

    @classmethod
    def read(cls, line: str) -> Self:
        """From ``Name, Name2: refused. Why, and what to do.``; ``ValueError`` for another form.

        >>> Conflict.read("EMA, SWA: refused. Keep one of them.")
        Conflict(names=('EMA', 'SWA'), severity='refused', sentence='Keep one of them.')
        """
        found = ENTRY.fullmatch(line)
        if found is None:
            raise InputError(
                f"cannot read the conflict {line!r}; write it in one line as 'Name, Name2: {REFUSED}. Why, and what to "
                f"do.' or 'Name: {DOUBTFUL}. ...'"
            )
        return cls(tuple(found["names"].split(", ")), found["severity"], found["sentence"])


@dataclass(frozen=True)
class Card:
    """The parts of a card: what comes before the first heading, each section's text, and the conflicts, read."""

    opening: str
    sections: tuple[tuple[str, str], ...]  # headings and texts, in order
    conflicts: tuple[Conflict, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """From a docstring; ``ValueError`` where a conflict cannot be read.

        >>> card = Card.read("Does a little.\\n\\nFormula:\\n    h ← h / 2\\n\\nPaper:\\n    None, 2000.")
        >>> card.opening, card["Formula"], card["Hurts when"], card.headings
        ('Does a little.', 'h ← h / 2', '', ('Formula', 'Paper'))
        """
        opening, *rest = HEADING.split(inspect.cleandoc(text) + "\n")
        sections = tuple((heading, dedent(body).strip()) for heading, body in zip(rest[::2], rest[1::2], strict=True))
        lines = dict(sections).get("Conflicts", "").splitlines()
        return cls(opening.strip(), sections, tuple(map(Conflict.read, lines)))

    def __getitem__(self, heading: str) -> str:
        """The text of a section, its lines as they stand; empty where there is no such section."""
        return dict(self.sections).get(heading, "")

    @property
    def headings(self) -> tuple[str, ...]:
        """The sections that there are, in order."""
        return tuple(heading for heading, _ in self.sections)

    @property
    def summary(self) -> str:
        """The opening sentence, in one line."""
        return " ".join(self.opening.split("\n\n")[0].split())


@cache
def card_of(leaf: type) -> Card:
    """The card of a class; an empty one where its docstring has none."""
    try:
        return Card.read(vars(leaf).get("__doc__") or "")
    except ValueError as error:
        raise InputError(f"{leaf.__name__}: {error}") from None
