"""Numbers as people write them: decimal commas, thousands separators, signs, currencies, percent, units.

A notation is decided for a whole column: "1,234" alone may be a thousand or little more than one, not so beside "0,5".
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from bridle.data.unparsed import MOST_STRAY, is_absent, stray_notes

__all__ = ["plain_text", "read_numbers", "split_quantity"]

GROUPS = {",": "comma", ".": "point", " ": "space", "'": "apostrophe", "_": "underscore"}
# Letters that only look like those of ASCII, and the many widths of a space.
LIKE_ASCII = str.maketrans(
    {"\u2212": "-", "\ufe63": "-", "\uff0d": "-", "\u2010": "-", "\u2011": "-", "\u2013": "-"}
    | {"\u2019": "'", "\u02bc": "'", "\uff07": "'", "\uff0c": ",", "\uff0e": ".", "\u066b": ".", "\u066c": ","}
    | {"\uff0b": "+", "\uff05": "%", "\uff08": "(", "\uff09": ")"}
    | {space: " " for space in "\t\u00a0\u1680\u202f\u205f\u3000"}
    | {chr(space): " " for space in range(0x2000, 0x200B)}
    | dict.fromkeys("\u200b\u2060\ufeff\u200e\u200f", "")
)  # fmt: skip
SYMBOLS = "$€£¥₹₽₩₺₪฿₫₴₦¢"
CODES = r"USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR|Rs\.?|kr\.?|zł|Fr\.?"
SIMPLE = re.compile(r"([+-]?)([.,]?\d[\d.,]*)")  # what most words are, told faster
FORM = re.compile(
    rf"(?P<before>[{SYMBOLS}])?(?P<open>\()?(?P<sign>[+-] ?)?"
    rf"(?P<prefix>(?:US|R|A|C|NZ|HK|S)?[{SYMBOLS}]|{CODES}|[<>~≈≤≥±]=?)? ?(?P<inner>[+-])?"
    r"(?P<body>[.,]?\d(?:[\d,.' _]*\d)?[.,]?)(?P<power>[eE][+-]?\d{1,3})? ?(?P<after>-(?!.))?"
    rf"(?P<suffix>[^\W\d_][^\d(){{}}<>=,;:]{{0,14}}[\d²³]?|[%‰°] ?[^\W\d_]?|[{SYMBOLS}])?(?P<close>\))?"
)
QUOTED = re.compile(r"""=?(["'])([^"']+)\1|'([+-]?[\d.,]+)""")  # as spreadsheets keep numbers from being changed
VERSION = re.compile(r"v?\d+(\.\d+){2,}\w*")
MAGNITUDES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "bn": 1e9, "T": 1e12}
MOST_STRAY_WORDS = 10  # up to half the rows may be strays where they are so few different words, the numbers many
FEW = 20  # numbers that may as well be categories, beside which a word is one too ...
MOST_STRAY_OF_FEW = 0.01  # ... unless it has no more than this share of the rows


class Quantity(NamedTuple):
    """One word as a number: its sign, its digits, a factor, and what stands around it."""

    sign: float
    body: str
    power: int
    unit: str
    scientific: bool = False  # whether a power of ten is written behind it


@dataclass(frozen=True)
class NumberFormat:
    """The separators of a number: of groups of digits, and between whole and fraction."""

    decimal: str
    group: str = ""
    pairs: bool = False  # as in India: 12,34,567

    def pattern(self) -> re.Pattern[str]:
        """Return what a number looks like; the first group has no leading zero."""
        fraction = rf"(?:{re.escape(self.decimal)}\d*)?"
        if not self.group:
            return re.compile(rf"\d+{fraction}|{re.escape(self.decimal)}\d+")
        group = re.escape(self.group)
        inner = rf"(?:{group}\d\d)*{group}\d{{3}}" if self.pairs else rf"(?:{group}\d{{3}})+"
        return re.compile(rf"(?:[1-9]\d{{0,2}}{inner}|\d{{1,3}}){fraction}|{re.escape(self.decimal)}\d+")

    def occurs(self, bodies: str) -> bool:
        """Return True where what tells this notation from the plain one is there; the plain one is always."""
        return (self.group or self.decimal) in bodies or self == NumberFormat(".")

    def number(self, each: Quantity) -> float:
        """Return what is written."""
        digits = (each.body.replace(self.group, "") if self.group else each.body).replace(self.decimal, ".")
        return each.sign * float(f"{digits}e{each.power}")

    def name(self) -> str:
        """Return what was done, for a reader."""
        said = [f"{GROUPS[self.decimal]} read as decimal point"] if self.decimal != "." else []
        return ", ".join([*said, *([f"{GROUPS[self.group]} between thousands taken out"] if self.group else [])])


PLAIN_NOTATION, COMMA = NumberFormat("."), NumberFormat(",")
COMMA_GROUPS, POINT_GROUPS = NumberFormat(".", ","), NumberFormat(",", ".")
NOTATIONS = (  # of several that fit equally well the first one
    *(PLAIN_NOTATION, COMMA, COMMA_GROUPS),
    *(NumberFormat(".", group) for group in (" ", "'", "_")),
    POINT_GROUPS,
    *(NumberFormat(",", group) for group in (" ", "'", "_")),
    NumberFormat(".", ",", pairs=True),
)


class ParsedNumbers(NamedTuple):
    """The numbers that were read: one for each word, nan where it is none, and what was done, as phrases."""

    values: np.ndarray
    notable: tuple[str, ...]


def plain_text(word: str) -> str:
    """A word without spaces around it, with the digits, signs and spaces of ASCII.

    >>> plain_text("\\u00a0\\u221212\\u202f345 "), plain_text("\\uff11\\uff12"), plain_text("'1.5'")
    ('-12 345', '12', '1.5')
    """
    quoted = QUOTED.fullmatch(word)
    if quoted:
        word = quoted[2] or quoted[3]
    if word.isascii():
        return word.strip()
    digits = "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in word)
    return digits.translate(LIKE_ASCII).strip()


def read_numbers(words: Sequence[str], counts: np.ndarray) -> ParsedNumbers | None:
    """The words (all different; ``counts`` rows have each) as numbers, or None where they are none as a whole."""
    plain = np.asarray(pd.to_numeric(np.array(words, dtype=object), errors="coerce"), dtype=np.float64)
    if not np.isnan(plain).any() and not points_group(words):
        return ParsedNumbers(plain, ())
    written, unit_notes = with_one_unit([split_quantity(word) for word in words], counts)
    notation, notes = notation_of(written, counts)
    pattern = notation.pattern()
    values = np.array([notation.number(each) if each and pattern.fullmatch(each.body) else np.nan for each in written])
    infinite = np.isinf(plain)
    values[infinite] = plain[infinite]
    if not mostly_parsed(words, values, counts):
        return None
    return ParsedNumbers(values, (*unit_notes, *notes, *stray_notes(words, values, counts, "number")))


def split_quantity(word: str) -> Quantity | None:
    """The parts of a word that may be a number."""
    simple = SIMPLE.fullmatch(word)
    if simple:
        return Quantity(-1.0 if simple[1] == "-" else 1.0, simple[2], 0, "")
    found = FORM.fullmatch(word)
    if not found or bool(found["open"]) != bool(found["close"]) or (found["open"] and found["sign"]):
        return None
    signs = [each for each in (found["sign"], found["inner"], found["after"]) if each]
    if len(signs) > 1 or (signs and found["open"]) or (found["sign"] == "+" and " " in found["body"]):
        return None  # "+49 170 123 456" is a telephone number
    negative = bool(found["open"]) or "".join(signs).strip() == "-"
    unit = " ".join(each.strip() for each in (found["before"], found["prefix"], found["suffix"]) if each)
    power = found["power"]
    return Quantity(-1.0 if negative else 1.0, found["body"], int((power or "e0")[1:]), unit, power is not None)


def with_one_unit(written: list[Quantity | None], counts: np.ndarray) -> tuple[list[Quantity | None], tuple[str, ...]]:
    """Only the numbers in the commonest unit, and what was taken off; others, but zero, are of another size."""
    units: Counter[str] = Counter()
    for each, count in zip(written, counts.tolist(), strict=True):
        if each:
            units[each.unit] += count
    if not units:
        return written, ()
    if len(units) > 1 and set(units) <= set(MAGNITUDES):
        return [each and scaled(each) for each in written], (f"{joined(units)} read as factors",)
    unit = units.most_common(1)[0][0]
    kept = [each if each and (each.unit == unit or not each.body.strip("0.,")) else None for each in written]
    return kept, ((f"{unit!r} taken off",) if unit else ())


def scaled(each: Quantity) -> Quantity:
    """A number with its k or M as a power of ten."""
    return each._replace(power=each.power + round(np.log10(MAGNITUDES[each.unit])), unit="")


def joined(units: Counter[str]) -> str:
    """The units that stand behind the numbers."""
    return ", ".join(repr(unit) for unit in sorted(units) if unit)


def notation_of(written: list[Quantity | None], counts: np.ndarray) -> tuple[NumberFormat, tuple[str, ...]]:
    """The notation under which most rows are numbers, plain where it is as good, and what is to be said of it."""
    rows = [(each.body, count) for each, count in zip(written, counts.tolist(), strict=True) if each]
    bodies = [body for body, _ in rows]
    together = " ".join(bodies) if any(" " in body for body in bodies) else "".join(bodies)
    fits = {notation: fit(rows, notation) for notation in NOTATIONS if notation.occurs(together)}
    most = max(fits.values())
    best = [notation for notation in fits if fits[notation] == most]
    if best[0] == PLAIN_NOTATION and POINT_GROUPS in best and points_group(bodies):
        return POINT_GROUPS, (POINT_GROUPS.name(),)
    if best[0] == COMMA and COMMA_GROUPS in best and not any(each and each.scientific for each in written):
        # Every comma has three digits behind it and at most three in front: decimals, or one group of thousands.
        doubt = "or decimals: every comma has three digits behind it, and nothing decides"
        return COMMA_GROUPS, (
            COMMA_GROUPS.name() if any(map(is_small, bodies)) else f"{COMMA_GROUPS.name()} ({doubt})",
        )
    return best[0], ((best[0].name(),) if best[0].name() else ())


def is_small(body: str) -> bool:
    """Return True where the number is whole and below a thousand, and not zero: beside it "1,234" is a thousand.

    If the commas were decimal points, so many numbers with three decimals would not stand beside one without.
    """
    return body.isdecimal() and len(body) <= 3 and int(body) > 0


def fit(rows: list[tuple[str, int]], notation: NumberFormat) -> int:
    """Return how many rows are numbers in this notation."""
    matches: Callable[[str], object] = notation.pattern().fullmatch
    return sum(count for body, count in rows if matches(body))


def points_group(bodies: Sequence[str]) -> bool:
    """Return True where points stand between thousands, as in "12.345" and "950", and cannot be decimal points.

    Decimals are written with a fixed number of digits, or without the zeros at their end. Three digits behind every
    point, some of them ending in zero, beside whole numbers below a thousand, are neither.
    """
    matches = POINT_GROUPS.pattern().fullmatch
    if not all(matches(body.lstrip("+-")) for body in bodies):  # which the first number with other decimals decides
        return False
    return any("." in body and body.endswith("0") for body in bodies) and any(map(is_small, bodies))


def mostly_parsed(words: Sequence[str], values: np.ndarray, counts: np.ndarray) -> bool:
    """Return True where so many rows are numbers that the others are strays among them."""
    stray = np.isnan(values)
    if sum(VERSION.fullmatch(words[k]) is not None for k in np.flatnonzero(stray).tolist()) > 1:
        return False  # beside 1.2.3 and 1.2.4, 1.10 is not 1.1
    rows, all_rows = counts[stray].sum(), counts.sum()
    if len(np.unique(values[~stray])) > FEW:
        gone = is_absent(words) & stray
        rows, all_rows = rows - counts[gone].sum(), all_rows - counts[gone].sum()
        return bool(rows <= MOST_STRAY * all_rows or (rows <= all_rows / 2 and stray.sum() <= MOST_STRAY_WORDS))
    return bool(rows <= MOST_STRAY * all_rows and rows <= max(1, MOST_STRAY_OF_FEW * all_rows))
