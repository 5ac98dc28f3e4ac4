"""Text tables in all the forms that programs and people write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bridle.data import Data, load
from bridle.data.delimited import read_delimited

ROWS = [(0.5 * k, (k * 7) % 11, ("no", "yes")[k % 2]) for k in range(30)]


def body(separator: str = ",", end: str = "\n", decimal: str = ".") -> str:
    return "".join(f"{str(a).replace('.', decimal)}{separator}{b}{separator}{c}{end}" for a, b, c in ROWS)


PLAIN = "x,z,y\n" + body()
FORMS = {
    "semicolons": "x;z;y\n" + body(";"),
    "semicolons and decimal commas": "x;z;y\n" + body(";", decimal=","),
    "tabs": "x\tz\ty\n" + body("\t"),
    "tabs and decimal commas": "x\tz\ty\n" + body("\t", decimal=","),
    "pipes": "x|z|y\n" + body("|"),
    "blank lines in front": "\n  \n\nx;z;y\n" + body(";"),
    "a blank line within": "x,z,y\n" + body().replace("\n", "\n\n", 3),
    "Excel's first line": "sep=;\nx;z;y\n" + body(";"),
    "Excel's first line, quoted": '"sep=;"\nx;z;y\n' + body(";"),
    "Windows": "x,z,y\r\n" + body(end="\r\n"),
    "old Macs": "x,z,y\r" + body(end="\r"),
    "byte order mark": "\ufeff" + PLAIN,
    "quoted names": '"x","z","y"\n' + body(),
    "spaces": "x, z, y\n" + body().replace(",", ", ").replace("\n", " \n"),
    "a separator at the end of every line": "x,z,y,\n" + body(end=",\n"),
    "a separator at the end of every row": "x,z,y\n" + body(end=",\n"),
    "comments": "# written by a logger, version 2\n# 2023\nx,z,y\n" + body(),
    "a title": "Report of the year\n\nx,z,y\n" + body(),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt"])
def test_a_table_is_the_table_it_is(tmp_path: Path, name: str, ending: str) -> None:
    plain, other = tmp_path / "plain.csv", tmp_path / f"other{ending}"
    plain.write_text(PLAIN)
    other.write_bytes(FORMS[name].encode())
    expected, found = load(plain, target="y"), load(other, target="y")
    assert (found.features, found.name) == (("x", "z"), "other")
    assert found.fingerprint == expected.fingerprint


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_an_encoding_that_the_file_names_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "wide.csv").write_bytes(PLAIN.replace("x,", "größe,").encode(encoding))
    assert load(tmp_path / "wide.csv", target="y").features == ("größe", "z")


def read(text: str | bytes) -> tuple[list[str], list[list[str]]]:
    frame = read_delimited(text if isinstance(text, bytes) else text.encode()).frame
    return list(frame.columns), frame.to_numpy().tolist()


def test_separators_within_quotes_belong_to_the_field() -> None:
    assert read('"Price, net";"Size, m2";y\n1,5;2;a\n') == (["Price, net", "Size, m2", "y"], [["1,5", "2", "a"]])
    assert read('a,b\n"1,5","say ""no"""\n') == (["a", "b"], [["1,5", 'say "no"']])
    assert read("a\tb\nx,y\tz,w\n") == (["a", "b"], [["x,y", "z,w"]])


def test_a_line_break_within_quotes_belongs_to_the_field() -> None:
    assert read('"first\nname";z\n"one\ntwo";2\n') == (["first\nname", "z"], [["one\ntwo", "2"]])


def test_a_column_without_a_name_gets_the_one_that_pandas_gives() -> None:
    assert read(",z,\n0,1,2\n")[0] == ["Unnamed: 0", "z", "Unnamed: 2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1\n3,4\n", "Expected 2 fields in line 3, saw 1"),
        ("a,b\n1,2\n\n1,2,3\n3,4\n", "Expected 2 fields in line 4, saw 3"),
        ('a,b\n"1\n1",2\n1,2,3\n', "Expected 2 fields in line 4, saw 3"),
        ("y\n1,2\n3,4\n", "line 1 has 1 field, line 2 has 2; neither looks like a header"),
        (b"a,b\n1,2\n3,\x00\n", "line 3 has a NUL byte"),
        ("a,b\n".encode("utf-16-le"), "line 1 has a NUL byte, which no text has; if it is UTF-16, save it as UTF-8"),
        ("a,b\n1,é\n".encode("cp1252"), "line 2 is not UTF-8 text .* save it as UTF-8"),
        (b"\xd0\xcf\x11\xe0rest", "Excel workbook of the old kind"),
        (b"PAR1rest", "it is a Parquet file; give it the ending .parquet"),
        ('{"a": 1, "b": 2}', "it is JSON; save the table in it as CSV"),
        ("@RELATION iris\n@DATA\n1,2\n", "it is an ARFF file; save it as CSV"),
        ("<!doctype html><html>", "a page of HTML; download the file itself"),
        ("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ('a,b\n1,"' + "x" * 140_000, "is a quotation mark not closed?"),
        ("\n\n  \n", "no line that names columns"),
    ],
)
def test_what_is_no_table_says_why(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=f"odd.csv cannot be read as a table: .*{message}"):
        load(path, target="b")


def test_spaces_between_fields_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x z y\n1 2 a\n3 4 b\n")
    with pytest.raises(ValueError, match="no column 'y'; its one column has spaces in its name: write commas"):
        load(tmp_path / "t.csv", target="y")


def test_what_is_passed_over_is_said(tmp_path: Path) -> None:
    def notes(text: str) -> str:
        (tmp_path / "t.csv").write_text(text)
        data: Data = load(tmp_path / "t.csv", target="y")
        return " ".join(data.notes)

    assert "2 lines above the header passed over, the first is 'Report'" in notes("Report\n# of 2023\n" + PLAIN)
    assert "passed over" not in notes(PLAIN)


def test_a_header_of_numbers_is_said(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3)).round(3)
    np.savetxt(tmp_path / "bare.csv", rows, delimiter=",", fmt="%.3f")
    data = load(tmp_path / "bare.csv", target=f"{rows[0, 2]:.3f}")
    assert "a file without a header loses its first row" in " ".join(data.notes)
