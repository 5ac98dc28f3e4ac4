"""Descriptions of places and regularizers, read from the modules of the places, the cards and the knobs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module

from bridle.card import DOUBTFUL, Card, Conflict, card_of
from bridle.errors import InputError
from bridle.knobs import Knob, knobs
from bridle.recipe import PLACES, Regularizer
from bridle.regularizers import CATALOG
from bridle.serialization import json_number
from bridle_audit.report.prose import plain
from bridle_audit.wording import nearest, shortened

__all__ = [
    "ByPlace",
    "Leaf",
    "by_whom",
    "called_elsewhere",
    "card",
    "catalog_of",
    "conflicts_of",
    "describe_place",
    "knobs_in_short",
    "plain_data",
    "summary",
    "value",
]

Leaf = type[Regularizer]
ByPlace = Mapping[str, list[Leaf]]


def catalog_of(place: str | None = None) -> ByPlace:
    """Return the regularizers of each place, in the order of the training step, or those of one place."""
    if place not in (None, *PLACES):
        raise InputError(f"unknown place {shortened(str(place))}{nearest(str(place), list(PLACES))}")
    return {each: [leaf for leaf in CATALOG.values() if leaf.place == each] for each in PLACES if place in (None, each)}


def describe_place(place: str) -> str:
    """Describe a place in half a sentence, the first line of its module.

    >>> describe_place("loss")
    'what is added to the loss'
    """
    return (
        (inspect.getdoc(import_module(f"bridle.places.{place}")) or "").splitlines()[0].partition(": ")[2].rstrip(".")
    )


def card(leaf: Leaf) -> Card:
    """Return the card of a regularizer."""
    known: type = leaf  # mypy takes the hash of a dataclass's objects for that of the class
    return card_of(known)


def summary(leaf: Leaf) -> str:
    """Return the summary of a regularizer's card, one line."""
    return plain(card(leaf).summary)


def in_short(knob: Knob) -> str:
    """Format a knob and its default: ``rate=0.5``."""
    return f"{knob.name}={value(knob.default)}"


def knobs_in_short(leaf: Leaf) -> str:
    """Format all knobs with their defaults: ``rate=0.5, at=hidden``."""
    return ", ".join(map(in_short, knobs(leaf)))


def value(held: float | str | None) -> str:
    """Format a knob's value; None is empty.

    >>> value(10.0), value(1e-05), value("hidden"), value(None)
    ('10', '1e-05', 'hidden', '')
    """
    return "" if held is None else held if isinstance(held, str) else f"{held:g}"


def called_elsewhere(leaf: Leaf) -> list[str]:
    """Return the names that other libraries and papers have for the method and its knobs, one line each."""
    lines = [f"the method: {', '.join(leaf.known_as)}"] if leaf.known_as else []
    for each in knobs(leaf):
        words = [", ".join(each.known_as), f"with another value {', '.join(each.differs)}" if each.differs else ""]
        if any(words):
            lines.append(f"{each.name}: {'; '.join(filter(None, words))}")
    return lines


def conflicts_of(leaf: Leaf) -> list[Conflict]:
    """Return the conflicts with others, from its card and from theirs; first those that are refused."""
    said = list(card(leaf).conflicts)
    for other in CATALOG.values():
        theirs = (each for each in card(other).conflicts if leaf.__name__ in each.names)
        said += [Conflict((other.__name__,), each.severity, each.sentence) for each in theirs]
    return sorted(said, key=lambda each: each.severity == DOUBTFUL)


def by_whom(leaf: Leaf, conflict: Conflict) -> str:
    """Introduce the sentence of a conflict: ":" on the regularizer's own card, else the other's card is named."""
    return ":" if conflict in card(leaf).conflicts else ", as its card says:"


def plain_data(catalog: ByPlace) -> list[dict[str, object]]:
    """Return the catalog as plain data, strict JSON: an infinite number is the word ``inf``."""
    return [
        {"name": leaf.__name__, "place": place, "summary": summary(leaf), "knobs": [*map(knob_as_json, knobs(leaf))]}
        for place, leaves in catalog.items()
        for leaf in leaves
    ]


def knob_as_json(knob: Knob) -> dict[str, object]:
    """Return a knob's declaration; a word has ``choices`` (any word where there are none), a number has its range."""
    said: dict[str, object] = {
        "name": knob.name,
        "default": number_or_word(knob.default),
        "meaning": plain(knob.meaning),
    }
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
    """Return a number in the form that JSON can hold, a word unchanged."""
    return json_number(held) if isinstance(held, float) else held
