"""Numbers as people write them are the numbers that they are, whatever the notation; what was done is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bridle.data import Data, load
from bridle.data.number_formats import plain_text, read_numbers

ROWS = 200
RANDOM = np.random.default_rng(0)
AMOUNTS = np.round(RANDOM.normal(size=ROWS) * 40_000, 2)
WHOLE = np.rint(AMOUNTS)
LABELS = np.where(AMOUNTS > 0, "up", "down")
STRAY_ROW = 7

Save = Callable[[Any], Path]


@pytest.fixture
def saved(tmp_path: Path) -> Save:
    """Write a column x of words beside a column of labels."""

    def save(words: Any) -> Path:
        path = tmp_path / "words.csv"
        pd.DataFrame({"x": list(words), "z": np.arange(ROWS) % 7, "y": LABELS}).to_csv(path, index=False)
        return path

    return save


def all_of(data: Data, name: str) -> np.ndarray:
    """A feature over all rows, split after split."""
    return np.concatenate([x[:, data.features.index(name)] for x, _ in data.splits().values()])


def grouped(value: float, group: str, decimal: str, digits: int = 2) -> str:
    return f"{value:,.{digits}f}".replace(",", "\0").replace(".", decimal).replace("\0", group)


NOTATIONS: dict[str, Callable[[float], str]] = {
    "comma as decimal point": lambda v: f"{v:.2f}".replace(".", ","),
    "1,234.56": lambda v: grouped(v, ",", "."),
    "1.234,56": lambda v: grouped(v, ".", ","),
    "1 234,56": lambda v: grouped(v, " ", ","),
    "no-break space": lambda v: grouped(v, "\N{NO-BREAK SPACE}", ","),
    "narrow no-break space": lambda v: grouped(v, "\N{NARROW NO-BREAK SPACE}", ","),
    "1'234.56": lambda v: grouped(v, "'", "."),
    "1_234.56": lambda v: grouped(v, "_", "."),
    "percent": lambda v: f"{v:.2f}%",
    "percent behind a space": lambda v: f"{v:.2f} %",
    "dollars": lambda v: f"${v:.2f}".replace("$-", "-$"),
    "minus behind the currency": lambda v: f"${v:.2f}",
    "euros": lambda v: grouped(v, ".", ",") + " €",
    "code of a currency": lambda v: f"USD {v:.2f}",
    "parentheses": lambda v: f"({-v:.2f})" if v < 0 else f"{v:.2f}",
    "minus at the end": lambda v: f"{-v:.2f}-" if v < 0 else f"{v:.2f}",
    "unit": lambda v: f"{v:.2f} kg",
    "unit without a space": lambda v: f"{v:.2f}km/h",
    "true minus": lambda v: f"{v:.2f}".replace("-", "\N{MINUS SIGN}"),
    "spaces around": lambda v: f"  {v:.2f}  ",
    "full-width digits": lambda v: "".join(chr(0xFF10 + int(c)) if c.isdigit() else c for c in f"{v:.2f}"),
    "powers of ten": lambda v: f"{v:.6E}",
    "powers of ten behind a comma": lambda v: f"{v:.6e}".replace(".", ","),
    "parentheses behind the currency": lambda v: f"$({-v:,.2f})" if v < 0 else f"${v:,.2f}",
    "about": lambda v: f"~{v:.2f}",
    "quoted": lambda v: f"'{v:.2f}'",
    "an apostrophe in front": lambda v: f"'{v:.2f}",
    "a formula": lambda v: f'="{v:.2f}"',
    "per mille": lambda v: f"{v:.2f}‰",
    "degrees": lambda v: f"{v:.2f} °C",
    "other digits": lambda v: "".join(chr(0x660 + int(c)) if c.isdigit() else c for c in f"{v:.2f}"),
    "plus": lambda v: f"{v:+.2f}",
}


@pytest.mark.parametrize("name", NOTATIONS)
def test_a_number_is_the_number_it_is(saved: Save, name: str) -> None:
    written = load(saved(map(NOTATIONS[name], AMOUNTS)), target="y")
    plain = load(saved(AMOUNTS), target="y")
    assert written.features == plain.features == ("x", "z")
    np.testing.assert_array_equal(all_of(written, "x"), all_of(plain, "x"))


WHOLE_NOTATIONS: dict[str, Callable[[float], str]] = {
    "comma": lambda v: f"{v:,.0f}",
    "point": lambda v: f"{v:,.0f}".replace(",", "."),
    "space": lambda v: f"{v:,.0f}".replace(",", " "),
    "thin space": lambda v: f"{v:,.0f}".replace(",", "\N{THIN SPACE}"),
    "apostrophe": lambda v: f"{v:,.0f}".replace(",", "'"),
    "right quotation mark": lambda v: f"{v:,.0f}".replace(",", "\N{RIGHT SINGLE QUOTATION MARK}"),
}


@pytest.mark.parametrize("name", WHOLE_NOTATIONS)
def test_thousands_are_thousands(saved: Save, name: str) -> None:
    small = np.where(np.arange(ROWS) % 9 == 0, np.rint(WHOLE / 1000), WHOLE)  # some below a thousand
    written = load(saved(map(WHOLE_NOTATIONS[name], small)), target="y")
    np.testing.assert_array_equal(all_of(written, "x"), all_of(load(saved(small), target="y"), "x"))
    assert "between thousands taken out" in told_of(written, "x")


def told_of(data: Data, name: str) -> str:
    """The note that names the column; each notable column has one."""
    return next(note for note in data.notes if f"column {name}" in note)


@pytest.mark.parametrize(
    "word",
    [
        "n/a",
        "-",
        "--",
        "unknown",
        "*",
        ">100",
        "<5",
        "~7",
        "12 kg",
        "none",
        ".",
        "#REF!",
        "#DIV/0!",
        "see below",
        "1..5",
    ],
)
def test_one_stray_word_is_a_missing_value_that_is_named(saved: Save, word: str) -> None:
    words: list[Any] = AMOUNTS.tolist()
    words[STRAY_ROW] = word
    data = load(saved(words), target="y")
    gap: list[Any] = AMOUNTS.tolist()
    gap[STRAY_ROW] = ""
    np.testing.assert_array_equal(all_of(data, "x"), all_of(load(saved(gap), target="y"), "x"))
    assert told_of(data, "x") == f"column x: {word!r} in 1 row, no number, taken for missing"


def test_several_stray_words_are_counted_the_commonest_first(saved: Save) -> None:
    words = [("unknown", "n/a", "?")[k % 3 - 1] if k % 10 == 0 else v for k, v in enumerate(AMOUNTS)]
    data = load(saved(words), target="y")
    count = {word: words.count(word) for word in ("unknown", "n/a", "?")}
    assert f"'n/a' in {count['n/a']} rows" in told_of(data, "x")
    assert f"'unknown' in {count['unknown']} rows" in told_of(data, "x")
    assert "x is missing" in data.features


def test_a_word_for_missing_values_may_be_in_most_rows(saved: Save) -> None:
    data = load(saved("Unknown" if k % 5 < 3 else v for k, v in enumerate(AMOUNTS)), target="y")
    assert data.features == ("x", "z", "x is missing")
    assert "'Unknown' in 120 rows" in told_of(data, "x")


def test_a_word_among_few_numbers_is_a_category(saved: Save) -> None:
    data = load(saved([(1, 2, 3, 5, "U")[k % 5] for k in range(ROWS)]), target="y")
    assert data.features[-5:] == ("x=1", "x=2", "x=3", "x=5", "x=U")


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["1,5", "2,25", "1.234,5"], [1.5, 2.25, 1234.5]),
        (["1,234", "0,5", "7"], [1.234, 0.5, 7]),
        (["1,234", "950", "2,345,678"], [1234, 950, 2345678]),
        (["12,34,567", "1,234", "99"], [1234567, 1234, 99]),
        (["1.5k", "2M", "900"], [1500, 2e6, 900]),
        (["5%", "0", "12.5%"], [5, 0, 12.5]),
        (["R$ 1.234,50", "R$ 0,99"], [1234.5, 0.99]),
        (["1.5", "2.125", "3"], [1.5, 2.125, 3]),
        (["1.125", "950", "2.250", "10.000"], [1125, 950, 2250, 10000]),
        (["0.125", "950", "2.250"], [0.125, 950, 2.25]),
        (["1e5", "2.5E-3"], [1e5, 2.5e-3]),
    ],
)
def test_the_whole_column_decides(words: list[str], values: list[float]) -> None:
    read = read_numbers(words, np.ones(len(words), int))
    assert read is not None
    assert read.values.tolist() == values


def test_what_nothing_decides_is_said(saved: Save) -> None:
    words = [f"{int(abs(v)) % 900 + 1},{int(abs(v)) % 899 + 100}" for v in AMOUNTS]
    data = load(saved(words), target="y")
    assert "x" in data.features
    assert "or decimals: every comma has three digits behind it, and nothing decides" in told_of(data, "x")


def test_numbers_of_several_units_are_no_amounts(saved: Save) -> None:
    words = [f"{abs(v):.2f} {'kg' if k % 2 else 'lb'}" for k, v in enumerate(AMOUNTS)]
    data = load(saved(words), target="y")
    assert data.features == ("z",)
    assert "in several units or notations ('" in " ".join(data.notes)


@pytest.mark.parametrize(
    "words",
    [
        [f"{k * 37 % 99999:05d}" for k in range(ROWS)],  # ZIP codes
        [f"+49 170 {k:03d} {k * 7 % 1000:03d}" for k in range(ROWS)],
        [f"555-{k:04d}" for k in range(ROWS)],
        [f"1.{k % 20}.{k % 7}" for k in range(ROWS)],
        [f"{k % 3}.{k % 20}" + ".1" * (k % 5 == 0) for k in range(ROWS)],  # versions, some of two parts
        [f"{k * 2654435761 % 2**32:08x}" for k in range(ROWS)],
        [f"192.168.{k % 256}.{k * 7 % 256}" for k in range(ROWS)],
        [f"A{k}" for k in range(ROWS)],
        [f"{k % 12 + 1}-{k % 28 + 1}" for k in range(ROWS)],
    ],
    ids=["zip", "phone", "local", "version", "short version", "hex", "address", "letter", "range"],
)
def test_codes_are_no_amounts(saved: Save, words: list[str]) -> None:
    data = load(saved(words), target="y")
    assert "x" not in data.features
    column = data.columns[0]
    assert column.kind in {"category", "dropped"}
    assert column.kind == "category" or "column x is left out" in " ".join(data.notes)


def test_codes_of_few_kinds_are_categories_and_said(saved: Save) -> None:
    data = load(saved([("00501", "01002", "90210", "10115")[k % 4] for k in range(ROWS)]), target="y")
    assert {"x=00501", "x=90210"} <= set(data.features)
    assert told_of(data, "x") == "column x: read as a code: it has numbers with zeros in front"


def test_words_are_read_alike_from_parquet(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [f"{v:.2f}".replace(".", ",") for v in AMOUNTS], "y": LABELS})
    table.to_parquet(tmp_path / "words.parquet")
    data = load(tmp_path / "words.parquet", target="y")
    assert told_of(data, "x") == "column x: comma read as decimal point"
    assert len(np.unique(all_of(data, "x"))) == len(np.unique(AMOUNTS))


def test_signs_and_spaces_of_other_scripts() -> None:
    assert plain_text("\N{MINUS SIGN}1\N{NARROW NO-BREAK SPACE}234") == "-1 234"
    assert plain_text("\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC DECIMAL SEPARATOR}\N{ARABIC-INDIC DIGIT FIVE}") == "1.5"
    assert plain_text("10\N{SUPERSCRIPT TWO}") == "10\N{SUPERSCRIPT TWO}"


def test_a_comma_before_a_power_of_ten_is_a_decimal_comma(saved: Save) -> None:
    """Three digits behind it, as %.3e writes them, would else be thousands."""
    words = [f"{value:.3e}".replace(".", ",") for value in AMOUNTS]
    read = read_numbers(words, np.ones(ROWS, dtype=int))
    assert read is not None
    assert read.values.tolist() == [float(f"{value:.3e}") for value in AMOUNTS]
    assert read.notable == ("comma read as decimal point",)


def test_numbers_that_are_not_read_for_other_words_among_them_are_said(saved: Save) -> None:
    words = [f"see {k}" if k % 6 == 0 else f"{value:.2f}" for k, value in enumerate(AMOUNTS)]
    told = told_of(load(saved(words), target="y"), "x")
    assert "other words in 34 rows ('see 0', 'see 6', 'see 12') stand among its numbers" in told
    assert "correct these rows or leave them empty" in told


def test_why_the_only_column_was_not_read_is_in_the_error(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    prices = [f"{'€$'[k % 2]}{value:.2f}" for k, value in enumerate(AMOUNTS)]
    pd.DataFrame({"price": prices, "y": LABELS}).to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"no feature is left: .*; price: its numbers are in several units"):
        load(path, target="y")
