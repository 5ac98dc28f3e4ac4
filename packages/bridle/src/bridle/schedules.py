"""Strength over time and per layer: what every number knob accepts besides a number.

>>> from bridle import Dropout
>>> from bridle.schedules import linear, until
>>> rising = Dropout(rate=linear(0.0, 0.3, over=0.5))  # reaches 0.3 halfway through the training, and stays
>>> rising.numbers(passed=0.25), rising.numbers(passed=0.75)
({'rate': 0.15}, {'rate': 0.3})
>>> mixed = Dropout(rate={"0": 0.1, "*": until(0.5, 0.3)})  # on the input; elsewhere, and only early
>>> mixed.numbers("0", passed=0.9), mixed.numbers("2", "linear2", passed=0.9)
({'rate': 0.1}, {'rate': 0.0})
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Self

from bridle.errors import InputError
from bridle_audit.scalars import is_number

__all__ = [
    "EVERYWHERE",
    "LAST",
    "SCHEDULES",
    "PerLayer",
    "Schedule",
    "Strength",
    "after",
    "cosine",
    "flat_cosine",
    "linear",
    "until",
]

EVERYWHERE = "*"
LAST = math.nextafter(1.0, 0.0)  # `passed` is in [0, 1)

# Note [open values]
# A schedule can leave a value to the knob that it is given to: `until(0.5)` is the knob's default until half of the
# training has passed, then the value at which the method is off. The knob fills both in when the regularizer is made.
# The value is then part of what was said and is printed; the off value is the knob's own, and is not.


@dataclass(frozen=True, repr=False)
class Schedule(ABC):
    """A number that moves once, from one end to the other, as the training passes."""

    kind: ClassVar[str]  # the name under which it is written

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None or each.default is not None:
                self.check(is_number(value), each.name, "a number")
                object.__setattr__(self, each.name, float(value))

    def __repr__(self) -> str:
        required = [each.name for each in fields(self) if each.default is MISSING]
        shown = [repr(value) if name in required else f"{name}={value!r}" for name, value in self.arguments().items()]
        return f"{self.kind}({', '.join(shown)})"

    def arguments(self) -> dict[str, float]:
        """Return the arguments of the schedule, without defaults."""
        values = {each: getattr(self, each.name) for each in fields(self) if each.repr}
        return {each.name: value for each, value in values.items() if value != each.default}

    def check(self, holds: bool, name: str, expected: str) -> None:
        """Raise ``ValueError`` for an argument that is not what is expected."""
        if not holds:
            raise InputError(f"{self.kind}: {name} must be {expected}, got {getattr(self, name)!r}")

    def fill_open_values(self, default: float, off: float | None) -> Self:
        """Fill values that the schedule leaves open from the knob's (Note [open values])."""
        del default, off
        return self

    @property
    @abstractmethod
    def ends(self) -> tuple[float | None, float | None]:
        """The first value and the last."""

    @abstractmethod
    def progress(self, passed: float) -> float:
        """Return the share of the way that is done, from 0 to 1."""

    def at(self, passed: float) -> float:
        """The value when this share of the training has passed, from 0 up to but without 1."""
        first, last = self.ends
        if first is None or last is None:
            raise InputError(f"{self!r} takes its values from a knob; give it to a regularizer and ask that")
        moved = self.progress(passed)
        if moved in (0.0, 1.0):  # the ends themselves; they may be infinite
            return last if moved else first
        between = (1 - moved) * first + moved * last
        return min(max(between, min(first, last)), max(first, last))  # whatever the rounding


@dataclass(frozen=True, repr=False)
class Ramp(Schedule):
    """Moves through all that lies between ``start`` and ``end`` in the share ``over`` of the training, then stays."""

    start: float
    end: float
    over: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check(math.isfinite(self.start), "start", "finite")
        self.check(math.isfinite(self.end), "end", "finite")
        self.check(0 < self.over <= 1, "over", "a share of the training, in (0, 1]")

    @property
    def ends(self) -> tuple[float, float]:
        """The first value and the last."""
        return self.start, self.end


@dataclass(frozen=True, repr=False)
class Linear(Ramp):
    """In a straight line from ``start`` to ``end`` in the share ``over`` of the training; there it stays.

    >>> [linear(0.0, 0.4, over=0.5).at(passed) for passed in (0.0, 0.25, 0.75)]
    [0.0, 0.2, 0.4]
    """

    kind: ClassVar[str] = "linear"

    def progress(self, passed: float) -> float:
        """Return the share of the way that is done, from 0 to 1."""
        return min(passed / self.over, 1.0)


@dataclass(frozen=True, repr=False)
class Cosine(Ramp):
    """Along half a cosine, slow at both ends, from ``start`` to ``end`` in the share ``over``; there it stays.

    >>> [round(cosine(1.0, 0.0).at(passed), 3) for passed in (0.0, 0.25, 0.5, 0.75)]
    [1.0, 0.854, 0.5, 0.146]
    """

    kind: ClassVar[str] = "cosine"

    def progress(self, passed: float) -> float:
        """Return the share of the way that is done, from 0 to 1."""
        return half_cosine(min(passed / self.over, 1.0))


@dataclass(frozen=True, repr=False)
class FlatCosine(Schedule):
    """Stays at ``value`` for the share ``flat`` of the training, then goes along half a cosine to ``end``.

    ``end`` is where the method is off, or 0, unless you say otherwise.

    >>> [round(flat_cosine(1.0, 0.0).at(passed), 3) for passed in (0.0, 0.5, 0.75, 0.9)]
    [1.0, 1.0, 0.5, 0.095]
    """

    value: float
    end: float | None = None
    flat: float = 0.5

    kind: ClassVar[str] = "flat_cosine"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check(math.isfinite(self.value), "value", "finite")
        self.check(self.end is None or math.isfinite(self.end), "end", "finite")
        self.check(0 <= self.flat < 1, "flat", "a share of the training, in [0, 1)")

    def fill_open_values(self, default: float, off: float | None) -> Self:
        """Fill values that the schedule leaves open from the knob's (Note [open values])."""
        del default
        return replace(self, end=off or 0.0) if self.end is None else self

    @property
    def ends(self) -> tuple[float, float | None]:
        """The first value and the last."""
        return self.value, self.end

    def progress(self, passed: float) -> float:
        """Return the share of the way that is done, from 0 to 1."""
        return half_cosine(max(passed - self.flat, 0.0) / (1 - self.flat))


@dataclass(frozen=True, repr=False)
class Switch(Schedule):
    """Changes at ``share`` between ``value``, the knob's default unless you say otherwise, and the knob's off value."""

    share: float
    value: float | None = None
    off: float | None = field(default=None, repr=False, compare=False)  # Note [open values]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check(0 <= self.share <= 1, "share", "a share of the training, in [0, 1]")

    def fill_open_values(self, default: float, off: float | None) -> Self:
        """Fill values that the schedule leaves open from the knob's (Note [open values])."""
        if off is None:
            raise InputError(
                f"{self!r} needs a value at which the method is off, and this knob has none; write linear(...) or "
                f"cosine(...), with the values that you mean"
            )
        return replace(self, value=default if self.value is None else self.value, off=off)

    def progress(self, passed: float) -> float:
        """Return the share of the way that is done, from 0 to 1."""
        return float(passed >= self.share)


@dataclass(frozen=True, repr=False)
class Until(Switch):
    """``value`` until the share of the training has passed, then off: early dropout, for a network that underfits.

    >>> from bridle import Dropout
    >>> Dropout(rate=until(0.3, 0.2))
    Dropout(rate=until(0.3, value=0.2))
    """

    kind: ClassVar[str] = "until"

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The first value and the last."""
        return self.value, self.off


@dataclass(frozen=True, repr=False)
class After(Switch):
    """Off until the share of the training has passed, then ``value``: late dropout, for a network that overfits.

    >>> from bridle import Dropout
    >>> Dropout(rate=after(0.5))  # the knob's default
    Dropout(rate=after(0.5, value=0.5))
    """

    kind: ClassVar[str] = "after"

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The first value and the last."""
        return self.off, self.value


def half_cosine(share: float) -> float:
    """From 0 to 1, slow at both ends."""
    return (1 - math.cos(math.pi * share)) / 2


linear, cosine, flat_cosine, until, after = Linear, Cosine, FlatCosine, Until, After
SCHEDULES: dict[str, type[Schedule]] = {each.kind: each for each in (Linear, Cosine, FlatCosine, Until, After)}


@dataclass(frozen=True, repr=False)
class PerLayer:
    """Values by pattern, the first that matches wins: what a knob makes of ``{"0": 0.1, "Conv2d": 0.2, "*": 0.3}``.

    A pattern is matched against each name of a layer or parameter: its site's number ("0" is the network's input, "1"
    lies behind the first weighted layer), its layer ("linear1"), its parameter ("linear1.weight") and its layer's type.
    """

    entries: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, values: Mapping[Any, Any]) -> Self:
        """From a dictionary; ``ValueError`` where a pattern is no pattern, or can never be reached."""
        patterns = list(values)
        for pattern in patterns:
            if not isinstance(pattern, str) or not pattern:
                raise InputError(
                    f"a pattern of per-layer values is a word such as '0', 'linear1' or '*', got {pattern!r}"
                )
        if not patterns:
            raise InputError("per-layer values must have at least one pattern, such as {'*': 0.1}, got {}")
        if EVERYWHERE in patterns[:-1]:
            hidden = patterns[patterns.index(EVERYWHERE) + 1]
            raise InputError(f"{hidden!r} stands behind '*', which matches everywhere; write '*' last")
        return cls(tuple(values.items()))

    def __repr__(self) -> str:
        return repr(dict(self.entries))

    def lookup(self, where: tuple[str, ...]) -> Any:
        """The first value whose pattern matches one of the names; ``None`` where none does."""
        for pattern, value in self.entries:
            if pattern == EVERYWHERE or any(fnmatchcase(name, pattern) for name in where):
                return value
        return None


# What a knob that is a number may be given.
Strength = float | Schedule | PerLayer | Mapping[str, float | Schedule]
