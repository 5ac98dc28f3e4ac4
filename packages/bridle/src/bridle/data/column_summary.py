"""The account of each column of a table: plain data, for people to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from bridle_audit.wording import first_few

__all__ = ["Column", "column_notes"]

KINDS = ("number", "category", "date", "dropped")


@dataclass(frozen=True)
class Column:
    """One column beside the target: how it was read, and what became of it."""

    name: str
    kind: str  # one of KINDS
    features: int  # how many inputs of the network it became
    done: tuple[str, ...] = ()  # what was done with its values, a phrase each
    notable: tuple[str, ...] = ()  # the same, where a reader must know it: a sentence of the data's notes names it

    def line(self) -> str:
        """The column in one line.

        >>> Column("size", "number", 1, done=("3 missing became 5.2",), notable=("comma as decimal point",)).line()
        'size: number; comma as decimal point; 3 missing became 5.2'
        """
        return f"{self.name}: {'; '.join((self.kind, *self.notable, *self.done))}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, as study.json has them."""
        return asdict(self) | {"done": list(self.done), "notable": list(self.notable)}


def column_notes(columns: Iterable[Column]) -> tuple[str, ...]:
    """A sentence for each thing that a reader must know, with the columns that it holds for."""
    by_phrase: dict[tuple[bool, str], list[str]] = {}
    count = 0
    for column in columns:
        count += 1
        for phrase in column.notable:
            by_phrase.setdefault((column.kind == "dropped", phrase), []).append(column.name)
    return tuple(sentence(names, phrase, count, dropped) for (dropped, phrase), names in by_phrase.items())


def sentence(names: list[str], phrase: str, count: int, dropped: bool) -> str:
    """Return which columns, and what of them.

    >>> sentence(["a"], "constant in the training rows", 9, dropped=True)
    'column a is left out: constant in the training rows'
    >>> sentence(list("abcdefg"), "comma as decimal point", 9, dropped=False)
    '7 of 9 columns (a, b, c, d, e and 2 more): comma as decimal point'
    """
    shown = first_few(names, form=lambda name: " ".join(name.split()))
    if len(names) == 1:
        return f"column {shown}{' is left out' if dropped else ''}: {phrase}"
    return f"{len(names)} of {count} columns ({shown}){' are left out' if dropped else ''}: {phrase}"
