"""Names of knobs and regularizers in other libraries and papers, for errors that give the name here.

The field's word remains an error: the same word stands for different numbers in different places. Each word is declared
once, beside the knob or in the class that it means.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from bridle.card import card_of
from bridle.errors import InputError
from bridle.knobs import Knob, knobs
from bridle_audit.wording import nearest, shortened, starting_with

__all__ = ["check_names", "conversion", "suggestion"]

ALIKE = 0.8  # from this likeness on, a word is taken for a misspelt one of the field
GREEK = {"alpha": "α", "beta": "β", "epsilon": "ε", "eps": "ε", "eta": "η", "gamma": "γ", "lambda": "λ", "sigma": "σ"}
CLAUSE_END = re.compile(r"(?<!\bal\.)(?<=[.;])\s+")


class UnknownKnob(InputError, TypeError):
    """A knob that a regularizer does not have: a TypeError as of any function, a ValueError as of any bad recipe."""


def check_names(leaf: type, given: Mapping[str, object]) -> None:
    """Raise :class:`UnknownKnob` for the first of the knobs given by name that the regularizer does not have."""
    names = [each.name for each in knobs(leaf)]
    for name in given:
        if name not in names:
            raise UnknownKnob(unknown_knob_message(leaf, name, given))


def unknown_knob_message(leaf: type, name: str, given: Mapping[str, object]) -> str:
    """Return the error's sentence for a knob that the regularizer does not have."""
    word = name.strip("_")  # `lambda` is Python's own, so people write `lambda_`
    note = conversion(leaf, word)
    for each in knobs(leaf):
        if word in each.known_as:
            written = f"{leaf.__name__} calls {name} {each.name}: {corrected_call(leaf, given)}"
            return f"{written} ({note})" if note else written
        if word in each.differs:
            return f"{leaf.__name__} calls {name} {each.name}, and gives it another value: {note}"
    names = [each.name for each in knobs(leaf)]
    if note:
        return f"{leaf.__name__} has no knob {shortened(name)}; its knobs are {', '.join(names)} ({note})"
    return f"{leaf.__name__} has no knob {shortened(name)}{nearest(name, names)}"


def corrected_call(leaf: type, given: Mapping[str, object]) -> str:
    """The regularizer as it is written here, from what was given by the field's words."""
    known = {name: each for each in knobs(leaf) for name in (*each.known_as, each.name)}
    meant = {known[name.strip("_")]: value for name, value in given.items() if name.strip("_") in known}
    return f"{leaf.__name__}({', '.join(f'{each.name}={shown_value(each, value)}' for each, value in meant.items())})"


def shown_value(knob: Knob, value: object) -> str:
    """A value as the knob takes it; a number, where the knob takes words, as a word."""
    text = repr(str(value) if str(value) in knob.choices else value)
    return text if len(text) < 60 else "..."


def conversion(leaf: type, word: str) -> str:
    """Return the clauses of the card's Conversion that mention a word or its Greek letter; empty if there are none."""
    forms = "|".join(re.escape(each) for each in (word, GREEK.get(word, word)))
    text = " ".join(card_of(leaf)["Conversion"].split())
    clauses = [each for each in CLAUSE_END.split(text) if re.search(rf"(?<!\w)({forms})(?!\w)", each)]
    return " ".join(clauses).rstrip(".;").replace("``", "`")


def suggestion(name: str, leaves: Mapping[str, type], others: Iterable[str] = ()) -> str:
    """``"; did you mean ...?"`` for a name that no regularizer has, or what the method is called here."""
    words: dict[str, list[str]] = {}
    for each, leaf in leaves.items():
        for word in getattr(leaf, "known_as", ()):
            words.setdefault(normalized(word), []).append(each)
    if normalized(name) in words:
        return f"; here it is called {' or '.join(words[normalized(name)])}"
    known = [*leaves, *others]
    ours = list(map(normalized, known))
    near = difflib.get_close_matches(normalized(name), list(words), n=1, cutoff=ALIKE)
    if near and not (
        starting_with(normalized(name), ours) or difflib.get_close_matches(normalized(name), ours, n=1, cutoff=ALIKE)
    ):
        return f"; did you mean {' or '.join(words[near[0]])}?"
    return nearest(name, known)


def normalized(name: str) -> str:
    """The name without case and punctuation: ``clip_grad_norm_`` and ``ClipGradNorm`` are one."""
    return re.sub(r"[\W_]", "", name).lower()
