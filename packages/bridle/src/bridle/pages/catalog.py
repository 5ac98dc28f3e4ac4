"""What is said of places and regularizers, wherever they are shown: read from the places, the cards and the knobs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from bridle.card import DOUBTFUL, Card, Conflict, card_of
from bridle.errors import InputError
from bridle.forms import json_number
from bridle.knobs import Knob, knobs
from bridle.recipe import PLACES, Regularizer
from bridle.regularizers import CATALOG
from bridle_audit.report.prose import plain
from bridle_audit.wording import nearest, shortened

Leaf = type[Regularizer]
ByPlace = Mapping[str, list[Leaf]]


def catalog_of(place: str | None = None) -> ByPlace:
    """The regularizers of each place, in the order of the training step; of one place alone if it is named."""
    if place not in (None, *PLACES):
        raise InputError(f"unknown place {shortened(str(place))}{nearest(str(place), list(PLACES))}")
    return {each: [leaf for leaf in CATALOG.values() if leaf.place == each] for each in PLACES if place in (None, each)}


def what_happens(place: str) -> str:
    """What a place is, in half a sentence: the first line of its module.

    >>> what_happens("loss")
    'what is added to the loss'
    """
    return (
        (inspect.getdoc(import_module(f"bridle.places.{place}")) or "").splitlines()[0].partition(": ")[2].rstrip(".")
    )


def card(leaf: Leaf) -> Card:
    """The card of a regularizer."""
    known: type = leaf  # mypy takes the hash of a dataclass's objects for that of the class
    return card_of(known)


def summary(leaf: Leaf) -> str:
    """What a regularizer does, in one line."""
    return plain(card(leaf).summary)


def in_short(knob: Knob) -> str:
    """A knob and its default: ``rate=0.5``."""
    return f"{knob.name}={value(knob.default)}"


def knobs_in_short(leaf: Leaf) -> str:
    """All knobs with their defaults: ``rate=0.5, at=hidden``."""
    return ", ".join(map(in_short, knobs(leaf)))


def value(held: float | str | None) -> str:
    """A knob's value as it is shown; nothing for None.

    >>> value(10.0), value(1e-05), value("hidden"), value(None)
    ('10', '1e-05', 'hidden', '')
    """
    return "" if held is None else held if isinstance(held, str) else f"{held:g}"


def called_elsewhere(leaf: Leaf) -> list[str]:
    """The words of other libraries and papers for the method and each of its knobs, a line for each that has some."""
    lines = [f"the method: {', '.join(leaf.known_as)}"] if leaf.known_as else []
    for each in knobs(leaf):
        words = [", ".join(each.known_as), f"with another value {', '.join(each.differs)}" if each.differs else ""]
        if any(words):
            lines.append(f"{each.name}: {'; '.join(filter(None, words))}")
    return lines


def conflicts_of(leaf: Leaf) -> list[Conflict]:
    """What is said of its standing in one recipe with others, on its card and on theirs; first what is refused."""
    said = list(card(leaf).conflicts)
    for other in CATALOG.values():
        theirs = (each for each in card(other).conflicts if leaf.__name__ in each.names)
        said += [Conflict((other.__name__,), each.severity, each.sentence) for each in theirs]
    return sorted(said, key=lambda each: each.severity == DOUBTFUL)


def by_whom(leaf: Leaf, conflict: Conflict) -> str:
    """What stands before the words of a conflict, which are those of a card: this one's, or the other's."""
    return ":" if conflict in card(leaf).conflicts else ", as its card says:"


def plain_data(catalog: ByPlace) -> list[dict[str, Any]]:
    """The catalog as plain data, strict JSON: an infinite number is the word ``inf``."""
    return [
        {"name": leaf.__name__, "place": place, "summary": summary(leaf), "knobs": [*map(knob_as_json, knobs(leaf))]}
        for place, leaves in catalog.items()
        for leaf in leaves
    ]


def knob_as_json(knob: Knob) -> dict[str, Any]:
    """What is declared of a knob; a word has ``choices`` (any word where there are none), a number has its range."""
    said = {"name": knob.name, "default": number_or_word(knob.default), "meaning": plain(knob.meaning)}
    if not knob.is_number:
        return said | {"choices": list(knob.choices)}
    return said | {
        "off": number_or_word(knob.off),
        "low": json_number(knob.low),
        "high": json_number(knob.high),
        "open_low": knob.open_low,
        "open_high": knob.open_high,
        "log": knob.log,
    }


def number_or_word(held: float | str | None) -> float | str | None:
    """The same, with a number in the form that JSON can hold."""
    return json_number(held) if isinstance(held, float) else held
