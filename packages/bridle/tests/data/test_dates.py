"""Dates, times and durations are amounts: days and seconds."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bridle.data import Data, load
from bridle.data.dates import read_dates_or_times

ROWS = 150
DAYS = np.arange(ROWS) * 9
DATES = [datetime.date(2019, 1, 5) + datetime.timedelta(days=int(k)) for k in DAYS]
STAMPS = [datetime.datetime(2019, 1, 5) + datetime.timedelta(days=int(k), hours=int(k) % 24) for k in DAYS]
MONTHS = [f"{datetime.date(2000, month, 1):%B}" for month in range(1, 13)]
LABELS = ["late" if k % 3 else "early" for k in range(ROWS)]


def loaded(folder: Path, values: Sequence[Any], ending: str = "csv") -> Data:
    frame = pd.DataFrame({"when": values, "y": LABELS})
    path = folder / f"t.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    return load(path, target="y")


def all_of(data: Data, name: str = "when") -> np.ndarray:
    return np.concatenate([x[:, data.features.index(name)] for x, _ in data.splits().values()])


FORMS: dict[str, Callable[[Any], str]] = {
    "%Y-%m-%d": str,
    "%Y/%m/%d": lambda d: f"{d:%Y/%m/%d}",
    "%Y.%m.%d": lambda d: f"{d:%Y.%m.%d}",
    "%Y%m%d": lambda d: f"{d:%Y%m%d}",
    "%d.%m.%Y": lambda d: f"{d:%d.%m.%Y}",
    "%d.%m.%y": lambda d: f"{d:%d.%m.%y}",
    "%d/%m/%Y": lambda d: f"{d:%d/%m/%Y}",
    "%m/%d/%Y": lambda d: f"{d:%m/%d/%Y}",
    "%m-%d-%y": lambda d: f"{d:%m-%d-%y}",
    "%d %B %Y": lambda d: f"{d:%d} {MONTHS[d.month - 1]} {d:%Y}",
    "%b %d, %Y": lambda d: f"{MONTHS[d.month - 1][:3]} {d.day}, {d:%Y}",
    "%Y%m%d%H%M%S": lambda d: f"{d:%Y%m%d}000000",
    "%Y%m%d%H%M": lambda d: f"{d:%Y%m%d}0000",
    "%d/%b/%Y:%H:%M:%S %z": lambda d: f"{d:%d}/{MONTHS[d.month - 1][:3]}/{d:%Y}:00:00:00 +0000",
    "Chinese and Japanese": lambda d: f"{d.year}年{d.month}月{d.day}日",
    "Korean": lambda d: f"{d.year}년 {d.month}월 {d.day}일",
    "%G-W%V-%u": lambda d: f"{d:%G-W%V-%u}",
    "%d-%b-%y": lambda d: f"{d:%d}-{MONTHS[d.month - 1][:3]}-{d:%y}",
}


@pytest.mark.parametrize("form", FORMS)
def test_dates_are_days(tmp_path: Path, form: str) -> None:
    data = loaded(tmp_path, list(map(FORMS[form], DATES)))
    days = loaded(tmp_path, [int(k) for k in DAYS])
    assert data.features == ("when",)
    np.testing.assert_allclose(all_of(data), all_of(days), atol=1e-6)
    assert data.columns[0].kind == "date"
    assert "dates as days since 1970-01-01" in data.columns[0].line()


STAMP_FORMS: dict[str, Callable[[datetime.datetime], str]] = {
    "ISO": lambda t: t.isoformat(),
    "space": str,
    "zulu": lambda t: t.isoformat() + "Z",
    "zone": lambda t: (t + datetime.timedelta(hours=2)).isoformat() + "+02:00",
    "two zones": lambda t: (
        f"{t.isoformat()}Z" if t.day % 2 else f"{(t - datetime.timedelta(hours=5)).isoformat()}-0500"
    ),
    "fraction": lambda t: t.isoformat() + ".000",
    "half a day": lambda t: f"{t:%m/%d/%Y} {(t.hour - 1) % 12 + 1}:{t:%M} {'PM' if t.hour > 11 else 'AM'}",
}


@pytest.mark.parametrize("form", STAMP_FORMS)
def test_times_of_day_are_fractions_of_days_in_utc(tmp_path: Path, form: str) -> None:
    data = loaded(tmp_path, list(map(STAMP_FORMS[form], STAMPS)))
    hours = loaded(tmp_path, [float(k * 24 + k % 24) for k in DAYS])
    np.testing.assert_allclose(all_of(data), all_of(hours), atol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        DATES,
        pd.to_datetime(pd.Series(DATES)),
        pd.to_datetime(pd.Series(DATES)).dt.tz_localize("UTC"),
        pd.to_datetime(pd.Series(DATES)).astype("datetime64[s]"),
        pd.Series([datetime.timedelta(days=int(k)) for k in DAYS]),
        pd.PeriodIndex(pd.to_datetime(DATES), freq="D"),
    ],
    ids=["date32", "timestamp", "zoned", "seconds", "duration", "period"],
)
def test_types_of_parquet_are_read(tmp_path: Path, values: Any) -> None:
    data = loaded(tmp_path, values, "parquet")
    np.testing.assert_allclose(all_of(data), all_of(loaded(tmp_path, [int(k) for k in DAYS])), atol=1e-6)


def test_times_of_parquet_are_seconds(tmp_path: Path) -> None:
    data = loaded(tmp_path, [datetime.time(k % 24, k % 60) for k in range(ROWS)], "parquet")
    seconds = loaded(tmp_path, [k % 24 * 3600 + k % 60 * 60 for k in range(ROWS)])
    np.testing.assert_allclose(all_of(data), all_of(seconds), atol=1e-6)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["12:30", "01:02"], [45000, 3720]),
        (["12:30:15", "100:00:00"], [45015, 360000]),
        (["12:30.5", "00:01.25"], [750.5, 1.25]),
        (["1:05 pm", "12:00 AM"], [47100, 0]),
        (["1 days 02:03:04", "0 days 00:00:01.5"], [93784, 1.5]),
        (["1h 30m", "45m", "2h"], [5400, 2700, 7200]),
        (["P1DT2H", "PT30M"], [93600, 1800]),
        (["1970-01-02", "1970-02"], [1, 31]),
        (["0001-01-01", "9999-12-31"], [-719162, 2932896]),  # beyond what nanoseconds in 64 bits reach
    ],
)
def test_times_and_durations_are_seconds(words: list[str], values: list[float]) -> None:
    read = read_dates_or_times(words, np.ones(len(words), int))
    assert read is not None
    assert read.values.tolist() == values


def test_days_and_months_that_cannot_be_told_apart_are_not_guessed(tmp_path: Path) -> None:
    data = loaded(tmp_path, [f"{k % 12 + 1:02d}/{k % 11 + 1:02d}/{2000 + k % 20}" for k in range(ROWS)])
    assert data.columns[0].kind != "date"
    note = next(note for note in data.notes if "when" in note)
    assert "dates whose day and month cannot be told apart (" in note
    assert "write them as 2023-12-31" in note


def test_dates_of_two_orders_are_not_guessed(tmp_path: Path) -> None:
    data = loaded(tmp_path, [f"{k % 28 + 1:02d}/{k % 12 + 1:02d}/{2000 + k}" for k in range(ROWS // 2)]
                  + [f"{k % 12 + 1:02d}/{k % 28 + 1:02d}/{2000 + k}" for k in range(ROWS // 2)])  # fmt: skip
    assert data.columns[0].kind != "date"
    assert any("dates whose day and month cannot be told apart" in note for note in data.notes)


def test_forms_that_leave_no_doubt_may_stand_in_one_column(tmp_path: Path) -> None:
    mixed = [str(day) if k % 2 else f"{day:%d.%m.%Y}" for k, day in enumerate(DATES)]
    data = loaded(tmp_path, mixed)
    np.testing.assert_allclose(all_of(data), all_of(loaded(tmp_path, [int(k) for k in DAYS])), atol=1e-6)


def test_a_stray_word_among_dates_is_a_missing_value(tmp_path: Path) -> None:
    words = ["0000-00-00" if k == 5 else str(date) for k, date in enumerate(DATES)]
    data = loaded(tmp_path, words)
    assert data.columns[0].kind == "date"
    assert any("'0000-00-00' in 1 row, no date, taken for missing" in note for note in data.notes)


def test_words_for_missing_dates_may_be_many(tmp_path: Path) -> None:
    data = loaded(tmp_path, ["unknown" if k % 3 == 0 else str(date) for k, date in enumerate(DATES)])
    assert data.columns[0].kind == "date"
    assert data.features == ("when", "when is missing")
    assert any("'unknown' in 50 rows, no date, taken for missing" in note for note in data.notes)


def test_a_target_of_dates_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": range(ROWS), "when": DATES}).to_csv(path, index=False)
    with pytest.raises(ValueError, match="target 'when' holds dates; it must hold numbers or words"):
        load(path, target="when")


FIRST_DAYS: dict[str, tuple[Callable[[Any], str], Callable[[Any], Any]]] = {
    "Dec 2023": (lambda d: f"{MONTHS[d.month - 1][:3]} {d.year}", lambda d: d.replace(day=1)),
    "December-2023": (lambda d: f"{MONTHS[d.month - 1]}-{d.year}", lambda d: d.replace(day=1)),
    "2023年12月": (lambda d: f"{d.year}年{d.month}月", lambda d: d.replace(day=1)),
    "2023Q4": (
        lambda d: f"{d.year}Q{(d.month + 2) // 3}",
        lambda d: d.replace(month=(d.month - 1) // 3 * 3 + 1, day=1),
    ),
    "Q4 2023": (
        lambda d: f"Q{(d.month + 2) // 3} {d.year}",
        lambda d: d.replace(month=(d.month - 1) // 3 * 3 + 1, day=1),
    ),
    "2023-W52": (lambda d: f"{d:%G-W%V}", lambda d: d - datetime.timedelta(days=d.weekday())),
}


@pytest.mark.parametrize("form", FIRST_DAYS)
def test_a_month_a_quarter_or_a_week_is_its_first_day(tmp_path: Path, form: str) -> None:
    written, first = FIRST_DAYS[form]
    data, days = loaded(tmp_path, list(map(written, DATES))), loaded(tmp_path, list(map(first, DATES)))
    assert data.columns[0].kind == "date"
    np.testing.assert_allclose(all_of(data), all_of(days), atol=1e-6)


def test_digits_that_are_no_date_stay_a_number(tmp_path: Path) -> None:
    assert loaded(tmp_path, [20190105250000 + k for k in range(ROWS)]).columns[0].kind == "number"
