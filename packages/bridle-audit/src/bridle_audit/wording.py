"""Parts of sentences: a number with its noun, the first of many names, the nearest name, a text cut short, an error."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "LONGEST_SHOWN",
    "NAMED",
    "counted",
    "error_message",
    "first_few",
    "first_names",
    "list_choices",
    "nearest",
    "plural",
    "printable",
    "shortened",
    "starting_with",
]

LONGEST_SHOWN = 120  # characters of a text that an error repeats
NAMED = 5  # names that a sentence shows, before it counts the others
NAMED_IN_FINDING = 3  # names at which a finding points, before it counts the others
OFFERED = 80  # names that are all shown to choose from
SHORTEST_BEGUN = 3  # letters that are the beginning of a name rather than a misspelt one
ENDS = 5  # names that are shown from each end of more


def counted(noun: str, number: int) -> str:
    """A number with its noun, in the plural where it is not one.

    >>> counted("row", 1), counted("row", 0), counted("class", 2)
    ('1 row', '0 rows', '2 classes')
    """
    return f"{number} {plural(noun, number)}"


def plural(noun: str, number: float) -> str:
    """The noun, in the plural where the number is not one."""
    return noun if number == 1 else f"{noun}{'es' if noun.endswith('s') else 's'}"


def first_few(found: Sequence[object], most: int = NAMED, form: Callable[[Any], str] = str) -> str:
    """The first ones, and how many more there are.

    >>> first_few(["a", "b"], form=repr), first_few(range(9))
    ("'a', 'b'", '0, 1, 2, 3, 4 and 4 more')
    """
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(map(form, found[:most])) + more


def first_names(names: Sequence[str]) -> str:
    """Return the first names at which a finding points, and the number of the others.

    >>> first_names(["0.weight", "1.weight", "2.weight", "3.weight"])
    '0.weight, 1.weight, 2.weight and 1 more'
    """
    return first_few(names, NAMED_IN_FINDING)


def nearest(name: str, known: Mapping[str, object] | list[str]) -> str:
    """``"; did you mean ...?"``, or the list of what is known where nothing is near.

    >>> nearest("Drop", ["Dropout", "RDrop"]), nearest("dropuot", ["Dropout", "RDrop"]), nearest("x", ["Dropout"])
    ('; did you mean Dropout?', '; did you mean Dropout?', '; known are Dropout')
    """
    folded, word = {each.lower(): each for each in known}, name.lower()
    longer = starting_with(word, folded)
    close = difflib.get_close_matches(word, longer or list(folded), n=3, cutoff=0.0 if longer else 0.5)
    if not close:
        return f"; known are {list_choices(sorted(known))}"
    likeness = [difflib.SequenceMatcher(None, each, word).ratio() for each in close]
    meant = [folded[each] for each, like in zip(close, likeness, strict=True) if longer or like > likeness[0] - 0.1]
    return f"; did you mean {' or '.join(meant)}?"


def starting_with(word: str, known: Iterable[str]) -> list[str]:
    """The names of which the word is the beginning."""
    return [each for each in known if len(word) >= SHORTEST_BEGUN and each.startswith(word)]


def list_choices(names: list[str]) -> str:
    """List the names to choose from; of very many, such as the columns of a wide table, both ends.

    >>> list_choices(["a", "b"]), list_choices([f"c{k}" for k in range(280)])
    ('a, b', 'c0, c1, c2, c3, c4 ... c275, c276, c277, c278, c279 (280 in all)')
    """
    if len(names) <= OFFERED:
        return ", ".join(names)
    return f"{', '.join(names[:ENDS])} ... {', '.join(names[-ENDS:])} ({len(names)} in all)"


def shortened(text: str) -> str:
    """The text in quotes, cut where it would fill the screen."""
    return repr(text) if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]!r}... ({len(text)} characters)"


def printable(text: str) -> str:
    """The text without what a terminal would obey, or an encoding refuse: names and code come from any file.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)


def error_message(error: Exception) -> str:
    """Return an error's message, with its type unless that tells nothing."""
    return f"{error}" if isinstance(error, RuntimeError | ValueError) else f"{type(error).__name__}: {error}"
