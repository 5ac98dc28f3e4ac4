"""A knob, declared once: its default, meaning, range, scale, and the value at which it does nothing.

Validation, the command line, ``bridle explain``, the tuner and the tests all read the same declaration.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from numbers import Real
from typing import Any


@dataclass(frozen=True)
class Knob:
    """What is known of one hyper-parameter of a regularizer."""

    name: str
    default: float | str
    meaning: str
    off: float | None  # the value at which the regularizer does nothing; None where no value does
    low: float
    high: float
    open_low: bool
    open_high: bool
    log: bool  # searched on a logarithmic scale
    choices: tuple[str, ...]  # for a knob that is a word; empty: any word

    @property
    def is_number(self) -> bool:
        """Whether the knob is a number (else it is a word)."""
        return not isinstance(self.default, str)

    @property
    def range(self) -> str:
        """The admitted values in words: ``[0, 1)``, or the choices, or "a word"."""
        if not self.is_number:
            return " | ".join(self.choices) or "a word"
        return f"{'(' if self.open_low else '['}{self.low:g}, {self.high:g}{')' if self.open_high else ']'}"

    def admits(self, value: object) -> bool:
        """Whether ``value`` may be given to this knob."""
        if not self.is_number:
            return isinstance(value, str) and bool(value) and (not self.choices or value in self.choices)
        if isinstance(value, bool) or not isinstance(value, Real):  # NumPy's numbers are Real, a tensor is not
            return False
        try:
            number = float(value)
        except OverflowError:  # a whole number beyond the floats
            return False
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        return above and below


def knob(
    default: float | str,
    meaning: str,
    *,
    off: float | None = None,
    low: float = 0.0,
    high: float = float("inf"),
    open_low: bool = False,
    open_high: bool = False,
    log: bool = False,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a dataclass field as a knob; :func:`knobs` reads it back.

    The return type is ``Any`` so that the field can be annotated with the type of its value.
    """
    declared = Knob("", default, meaning, off, low, high, open_low, open_high, log, choices)
    return dataclasses.field(default=default, metadata={"knob": declared})


def knobs(owner: Any) -> tuple[Knob, ...]:
    """The knobs of a regularizer (class or object): numbers first, then words, each in the order of declaration."""
    fields = [field for field in dataclasses.fields(owner) if "knob" in field.metadata]
    declared = [dataclasses.replace(field.metadata["knob"], name=field.name) for field in fields]
    return tuple(sorted(declared, key=lambda each: not each.is_number))


def check(owner: Any) -> None:
    """Raise ``ValueError`` for the first knob of ``owner`` whose value it does not admit."""
    for declared in knobs(owner):
        value = getattr(owner, declared.name)
        if not declared.admits(value):
            among = "in " if declared.is_number else "one of " if declared.choices else ""
            raise ValueError(f"{type(owner).__name__}: {declared.name} must be {among}{declared.range}, got {value!r}")
