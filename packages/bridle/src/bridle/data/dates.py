"""Dates, times and durations as numbers: days since 1970-01-01, in UTC where a zone is given, or seconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from bridle.data.unparsed import MOST_STRAY, is_absent, stray_notes

__all__ = ["DATES", "DAY", "digits_alone", "read_dates_or_times"]

EPOCH = date(1970, 1, 1).toordinal()
DAY = 86400.0  # seconds
FIRST_YEAR, LAST_YEAR = 1900, 2100  # of eight digits that are a date and no amount
PIVOT = 69  # two digits up to here are 20.., others 19.., as in POSIX
MONTHS = {
    name: k
    for k, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}

CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?(?: ?(?P<half>[aApP])\.?[mM]\.?)?"
    r" ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)?"
)
BEHIND = rf"(?:(?:T|,? +|:){CLOCK})?"
BIG_FIRST = re.compile(rf"(?P<year>\d{{4}})(?P<mark>[-/.])(?P<month>\d{{1,2}})(?:(?P=mark)(?P<day>\d{{1,2}}))?{BEHIND}")
SMALL_FIRST = re.compile(rf"(?P<a>\d{{1,2}})(?P<mark>[-/.])(?P<b>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}|\d\d){BEHIND}")
NAMED = re.compile(
    r"(?:[A-Za-z]{3,9},? )?(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?[-/ .]{1,2}(?P<name>[A-Za-z]{3,9})|"
    rf"(?P<name2>[A-Za-z]{{3,9}})\.? (?P<day2>\d{{1,2}})(?:st|nd|rd|th)?)[-/ .,]{{1,2}}(?P<year>\d{{4}}|\d\d){BEHIND}"
)
MONTH_NAMED = re.compile(r"(?P<name>[A-Za-z]{3,9})\.?[-/ ,]{1,2}(?P<year>\d{4})")
EAST_ASIAN = re.compile(
    rf"(?P<year>\d{{4}})[年년] ?(?P<month>\d{{1,2}})[月월](?: ?(?P<day>\d{{1,2}})[日일号])?{BEHIND}"
)
QUARTER = re.compile(r"(?P<year>\d{4})[- ]?Q(?P<quarter>[1-4])|Q(?P<quarter2>[1-4])[-/ ](?P<year2>\d{4})")
WEEK = re.compile(r"(?P<year>\d{4})-?W(?P<week>\d\d)(?:-?(?P<day>[1-7]))?")
DIGITS = re.compile(r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)(?:(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?)?")
LENGTHS = (8, 12, 14)  # of a date written in digits alone, without a time, with minutes, with seconds
TIME = re.compile(
    r"(?P<hours>\d{1,3}):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d(?:[.,]\d+)?)|[.,](?P<tenths>\d+))?"
    r"(?: ?(?P<half>[aApP])\.?[mM]\.?)?"
)
LONG = re.compile(
    r"(?P<sign>-)?(?:(?P<days>\d+(?:\.\d+)?) ?d(?:ays?)?,?)? ?"
    r"(?:(?P<clock>\d{1,2}:\d\d:\d\d(?:\.\d+)?)|(?:(?P<hours>\d+(?:\.\d+)?) ?h(?:(?:ou)?rs?)?)? ?"
    r"(?:(?P<minutes>\d+(?:\.\d+)?) ?m(?:in(?:utes?)?)?)? ?(?:(?P<seconds>\d+(?:\.\d+)?) ?s(?:ec(?:onds?)?)?)?)"
)
ISO_DURATION = re.compile(
    r"P(?:(?P<days>\d+(?:\.\d+)?)D)?(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
ORDERS = ("day/month", "month/day")
DATES, SECONDS = "dates as days since 1970-01-01", "times as seconds"


class ParsedDates(NamedTuple):
    """One number for each word, nan where it is none; what was done, and what a reader must know of it."""

    values: np.ndarray
    kind: str
    done: tuple[str, ...]
    notable: tuple[str, ...]


def read_dates_or_times(words: Sequence[str], counts: np.ndarray) -> ParsedDates | None:
    """The words (all different; ``counts`` rows have each) as dates or times, or None where they are none."""
    for read, what in ((seconds_of_clock, SECONDS), (seconds_of_duration, "durations as seconds")):
        values = numbers_of(words, read)
        if mostly_parsed(words, values, counts):
            return ParsedDates(values, "number", (what,), stray_notes(words, values, counts, "time"))
    return read_dates(words, counts)


def read_dates(words: Sequence[str], counts: np.ndarray) -> ParsedDates | None:
    """The words as dates; of 31/12/2023 the whole column decides what is the day."""
    first, second = (numbers_of(words, date_reader(order)) for order in ORDERS)
    if not mostly_parsed(words, np.where(np.isnan(first), second, first), counts):
        return None
    missing = [counts[np.isnan(values)].sum() for values in (first, second)]
    other = (first != second) & ~(np.isnan(first) & np.isnan(second))
    differ = [word for word, marked in zip(words, other.tolist(), strict=True) if marked]
    if differ and (
        missing[0] == missing[1] or not any(mostly_parsed(words, values, counts) for values in (first, second))
    ):
        doubt = f"dates whose day and month cannot be told apart ({differ[0]}) are not read; write them as 2023-12-31"
        return ParsedDates(np.full(len(words), np.nan), "category", (), (doubt,))
    order, values = (ORDERS[0], first) if missing[0] <= missing[1] else (ORDERS[1], second)
    done = f"{DATES}, written {order}" if differ else DATES
    return ParsedDates(values, "date", (done, *zone_note(words)), stray_notes(words, values, counts, "date"))


def digits_alone(words: Sequence[str]) -> np.ndarray | None:
    """Numbers such as 20230131, or 20230131235959, as days, where each of them is a date of these centuries."""
    if len(words) < 2 or not all(len(word) in LENGTHS and word.isdecimal() for word in words):
        return None
    values = numbers_of(words, date_of_digits)
    return None if np.isnan(values).any() else values


def numbers_of(words: Sequence[str], read: Callable[[str], float | None]) -> np.ndarray:
    """Return what each word is, nan where it is none."""
    return np.array([np.nan if (value := read(word)) is None else value for word in words], dtype=np.float64)


def mostly_parsed(words: Sequence[str], values: np.ndarray, counts: np.ndarray) -> bool:
    """Return True where all were read but some strays and the words that stand for missing values."""
    read = ~np.isnan(values)
    strays = counts[~read & ~is_absent(words)].sum()
    return bool(read.any() and strays <= MOST_STRAY * (counts[read].sum() + strays))


def zone_note(words: Sequence[str]) -> tuple[str, ...]:
    """Return a note on time zones, if any were given."""
    zoned = sum(re.search(r"\d{2}:\d{2}.*(Z|UTC|GMT|[+-]\d{2}:?\d{0,2})$", word) is not None for word in words)
    if not zoned:
        return ()
    return ("in UTC",) if zoned == len(words) else ("in UTC, those without a zone taken for UTC",)


def iso_date(word: str) -> float | None:
    """The year first: 2023-12-31, 2023/12/31 10:00:00+02:00; without a day the first of the month."""
    found = BIG_FIRST.fullmatch(word)
    if not found or (found["day"] is None and found["mark"] != "-"):
        return None
    return days_since_epoch(int(found["year"]), int(found["month"]), int(found["day"] or 1), found)


def date_of_digits(word: str) -> float | None:
    """20231231, 202312312359, 20231231235959."""
    found = DIGITS.fullmatch(word)
    if not found or not FIRST_YEAR <= int(found["year"]) <= LAST_YEAR:
        return None
    whole = day_number(int(found["year"]), int(found["month"]), int(found["day"]))
    time = clock(int(found["hour"] or 0), int(found["minute"] or 0), found["second"], None)
    return None if whole is None or time is None else whole + time / DAY


def east_asian_date(word: str) -> float | None:
    """2023年12月31日, and the same in Korean; without a day the first of the month."""
    found = EAST_ASIAN.fullmatch(word)
    return days_since_epoch(int(found["year"]), int(found["month"]), int(found["day"] or 1), found) if found else None


def first_day(word: str) -> float | None:
    """The first day of a month, a quarter or a week: Dec 2023, 2023Q4, Q4 2023, 2023-W52."""
    named, quarter, week = (each.fullmatch(word) for each in (MONTH_NAMED, QUARTER, WEEK))
    if named and (month := MONTHS.get(named["name"][:3].lower())):
        return day_number(int(named["year"]), month, 1)
    if quarter:
        number = int(quarter["quarter"] or quarter["quarter2"])
        return day_number(int(quarter["year"] or quarter["year2"]), 3 * number - 2, 1)
    return week_day(int(week["year"]), int(week["week"]), int(week["day"] or 1)) if week else None


def week_day(year: int, week: int, day: int) -> float | None:
    """A day of a week of ISO 8601; None where there is no such week."""
    try:
        return float(date.fromisocalendar(year, week, day).toordinal() - EPOCH)
    except ValueError:
        return None


def named_date(word: str) -> float | None:
    """With the month in letters: 31 Dec 2023, December 31, 2023."""
    found = NAMED.fullmatch(word)
    month = MONTHS.get((found["name"] or found["name2"])[:3].lower()) if found else None
    if not found or not month:
        return None
    return days_since_epoch(full_year(found["year"]), month, int(found["day"] or found["day2"]), found)


def date_reader(order: str) -> Callable[[str], float | None]:
    """Read a date in any form; where day and month are numbers and the year stands last, in this order."""

    def read(word: str) -> float | None:
        for known in (iso_date, named_date, first_day, east_asian_date):
            if (value := known(word)) is not None:
                return value
        return day_or_month_first(word, order)

    return read


def day_or_month_first(word: str, order: str) -> float | None:
    """31/12/2023 or 12/31/2023; with points the day is always first."""
    found = SMALL_FIRST.fullmatch(word)
    if not found:
        return None
    day_first = order == ORDERS[0] or found["mark"] == "."
    day, month = (found["a"], found["b"]) if day_first else (found["b"], found["a"])
    return days_since_epoch(full_year(found["year"]), int(month), int(day), found)


def full_year(text: str) -> int:
    """A year of two or four digits."""
    year = int(text)
    return year if len(text) == 4 else year + (2000 if year < PIVOT else 1900)


def days_since_epoch(year: int, month: int, day: int, found: re.Match[str]) -> float | None:
    """Days since 1970, with the time of day; None where there is no such day or time."""
    whole = day_number(year, month, day)
    if whole is None or found["hour"] is None:
        return whole
    time = clock(int(found["hour"]), int(found["minute"]), found["second"], found["half"])
    return None if time is None else whole + (time - utc_offset(found["zone"])) / DAY


def day_number(year: int, month: int, day: int) -> float | None:
    """Days since 1970-01-01; None where there is no such day."""
    try:
        return float(date(year, month, day).toordinal() - EPOCH)
    except ValueError:
        return None


def clock(hour: int, minute: int, second: str | None, half: str | None) -> float | None:
    """Seconds since midnight; None where no clock shows that."""
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    seconds = float((second or "0").replace(",", "."))
    return None if hour > 24 or minute > 59 or seconds >= 61 else hour * 3600 + minute * 60 + seconds


def utc_offset(zone: str | None) -> float:
    """Seconds that a zone is ahead of UTC.

    >>> utc_offset("+02:00"), utc_offset("-0530"), utc_offset("Z")
    (7200.0, -19800.0, 0.0)
    """
    if not zone or zone[0] not in "+-":
        return 0.0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (1.0 if zone[0] == "+" else -1.0) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


def seconds_of_clock(word: str) -> float | None:
    """12:34, 12:34:56, 1:05 pm; hours may go beyond a day."""
    found = TIME.fullmatch(word)
    if not found:
        return None
    if found["tenths"]:  # 12:34.5 are minutes and seconds
        return int(found["hours"]) * 60 + float(f"{found['minutes']}.{found['tenths']}")
    if found["half"]:
        return clock(int(found["hours"]), int(found["minutes"]), found["seconds"], found["half"])
    seconds = float((found["seconds"] or "0").replace(",", "."))
    return int(found["hours"]) * 3600 + int(found["minutes"]) * 60 + seconds


def seconds_of_duration(word: str) -> float | None:
    """2 days 03:04:05, 1h 30m, P1DT2H."""
    found = ISO_DURATION.fullmatch(word) if word.startswith("P") else LONG.fullmatch(word)
    if not found or not any(each for name, each in found.groupdict().items() if name != "sign"):
        return None
    parts = found.groupdict()
    sizes = {"days": DAY, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
    total = sum(float(parts[name] or 0) * size for name, size in sizes.items())
    if parts.get("clock"):
        hours, minutes, seconds = str(parts["clock"]).split(":")
        total += int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return -total if parts.get("sign") else total
