"""A knob, declared once: its default, meaning, range, scale, and the value at which it does nothing.

Validation, the command line, ``bridle explain``, the tuner and the tests all read the same declaration.
"""

from __future__ import annotations

import dataclasses
from abc import ABCMeta
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bridle.errors import InputError
from bridle.schedules import LAST, PerLayer, Schedule
from bridle_audit.scalars import is_number

__all__ = ["Knob", "KnobMeta", "check_declared", "check_knobs", "knob", "knob_of_field", "knobs", "layer_values"]

Value = float | str | Schedule | PerLayer  # what a knob holds


@dataclass(frozen=True)
class Knob:
    """The declaration of one hyper-parameter of a regularizer."""

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
    known_as: tuple[str, ...]  # what other libraries and papers call it, where they give it the same value
    differs: tuple[str, ...]  # what they call it where they give it another, as the card's Conversion says
    in_formula: bool  # a word that the formulas take by name; numbers they always do
    newest: float | None  # the value at which a running statistic becomes that of the newest batch; None: it is no such

    @property
    def is_number(self) -> bool:
        """True if the knob is a number, False if it is a word."""
        return not isinstance(self.default, str)

    @property
    def range(self) -> str:
        """The admitted values in words: ``[0, 1)``, or the choices, or "a word"."""
        if not self.is_number:
            return " | ".join(self.choices) or "a word"
        return f"{'(' if self.open_low else '['}{self.low:g}, {self.high:g}{')' if self.open_high else ']'}"

    def admits(self, value: object) -> bool:
        """Return True if ``value``, one number or one word, is in the knob's range."""
        if not self.is_number:
            return isinstance(value, str) and bool(value) and (not self.choices or value in self.choices)
        if not is_number(value):
            return False
        number = float(value)
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        return above and below

    def read(self, value: object) -> Value:
        """The value in the one form in which it is kept; ``ValueError`` for one that the knob does not admit.

        Numbers become floats, dictionaries per-layer values, and what a schedule leaves open is filled in.
        """
        if not (self.is_number and isinstance(value, Mapping | PerLayer)):
            return self.read_single(value)
        try:
            layers = value if isinstance(value, PerLayer) else PerLayer.of(value)
        except ValueError as error:
            raise InputError(f"{self.name}: {error}") from None
        return PerLayer(tuple((pattern, self.read_single(each)) for pattern, each in layers.entries))

    def read_single(self, value: object) -> float | str | Schedule:
        """Read one value, not a dictionary by layer, as :meth:`read` does."""
        if self.is_number and isinstance(value, Schedule):
            schedule = self.fill_open_values(value)
            if all(map(self.admits, schedule.ends)):
                return schedule
        elif isinstance(value, str) and self.admits(value):
            return value
        elif is_number(value) and self.admits(value):
            return float(value)
        among = "in " if self.is_number else "one of " if self.choices else ""
        raise InputError(f"{self.name} must be {among}{self.range}, got {value!r}")

    def fill_open_values(self, schedule: Schedule) -> Schedule:
        """The schedule with this knob's values where it leaves some open."""
        try:
            return schedule.fill_open_values(float(self.default), self.off)
        except ValueError as error:
            raise InputError(f"{self.name}: {error}") from None

    def at(self, value: Value, where: tuple[str, ...], passed: float) -> float:
        """Return the number in the layer that has these names, after the share ``passed`` of the training."""
        if isinstance(value, PerLayer):
            found = value.lookup(where)
            otherwise = self.default if self.off is None else self.off
            value = otherwise if found is None else found
        return value.at(passed) if isinstance(value, Schedule) else float(value)

    def is_off(self, value: Value) -> bool:
        """Return True if the value is the off value in every layer and throughout the training."""
        if self.off is None:
            return False
        moments = (0.0, LAST)  # a schedule moves in one direction, so these are its extremes
        return all(self.at(each, (), passed) == self.off for each in layer_values(value) for passed in moments)


def layer_values(value: Value) -> tuple[Any, ...]:
    """Return the per-layer values, or the one value that holds in all layers."""
    return tuple(each for _, each in value.entries) if isinstance(value, PerLayer) else (value,)


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
    known_as: tuple[str, ...] = (),
    differs: tuple[str, ...] = (),
    in_formula: bool = False,
    newest: float | None = None,
) -> Any:
    """Declare a dataclass field as a knob; :func:`knobs` reads it back.

    The return type is ``Any`` so that the field can be annotated with the type of its value.
    """
    names = choices, known_as, differs
    declared = Knob("", default, meaning, off, low, high, open_low, open_high, log, *names, in_formula, newest)
    return dataclasses.field(default=default, metadata={"knob": declared})


def knobs(owner: object) -> tuple[Knob, ...]:
    """The knobs of a regularizer (class or object): numbers first, then words, each in the order of declaration."""
    return knobs_of_class(owner if isinstance(owner, type) else type(owner))


@cache
def knobs_of_class(leaf: type) -> tuple[Knob, ...]:
    """The knobs of a class."""
    fields = [field for field in dataclasses.fields(leaf) if "knob" in field.metadata]
    found = [knob_of_field(field, field.name) for field in fields]
    return tuple(sorted(found, key=lambda each: not each.is_number))


def knob_of_field(field: dataclasses.Field[Any], name: str) -> Knob:
    """The knob that a field declares; a field learns its name only when its class is finished."""
    declared: Knob = field.metadata["knob"]
    return dataclasses.replace(declared, name=name)


def check_declared(declared: Knob) -> None:
    """``ValueError`` for a knob that contradicts itself."""
    what = f"the knob {declared.name}"
    for name in ("choices", "known_as", "differs"):
        words = getattr(declared, name)
        if not (isinstance(words, tuple) and all(isinstance(each, str) for each in words)):
            raise InputError(f"{what}: {name} is a tuple of words, got {words!r}")
    if not (isinstance(declared.meaning, str) and declared.meaning):
        raise InputError(f"{what} has no meaning; say in a few words what the knob is")
    if not declared.admits(declared.default):
        raise InputError(f"{what}: its default is not among its values {declared.range}, got {declared.default!r}")
    if declared.off is not None and not declared.admits(declared.off):
        raise InputError(f"{what}: what switches it off is not among its values {declared.range}, got {declared.off!r}")


class ClassBody(dict[str, Any]):
    """The body of a class, in which no knob may be declared twice: Python would keep the second and say nothing."""

    def __setitem__(self, name: str, value: object) -> None:
        held = self.get(name)
        if isinstance(held, dataclasses.Field) and "knob" in held.metadata:
            raise InputError(f"{self.get('__qualname__')}: the knob {name} is declared twice")
        super().__setitem__(name, value)


class KnobMeta(ABCMeta):
    """The metaclass of regularizers: refuses a knob that is declared twice."""

    @classmethod
    def __prepare__(mcs, name: str, bases: tuple[type, ...], /, **options: object) -> ClassBody:
        del name, bases, options
        return ClassBody()


def check_knobs(owner: object) -> None:
    """Bring every knob of ``owner`` into the form in which it is kept; ``ValueError`` for the first that is refused."""
    for each in knobs(owner):
        try:
            object.__setattr__(owner, each.name, each.read(getattr(owner, each.name)))
        except ValueError as error:
            raise InputError(f"{type(owner).__name__}: {error}") from None
