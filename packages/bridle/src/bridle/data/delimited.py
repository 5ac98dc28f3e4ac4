"""Text with a separator between its fields, CSV and its kin, as a table of words.

Nothing is guessed that the file does not show: the separator is the one under which the rows have equally many fields,
and a row that has more or fewer than the header is refused with its line.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from bridle.errors import InputError
from bridle_audit.wording import counted, shortened

__all__ = ["NAMELESS", "read_delimited"]

SEPARATORS = "\t;|,"  # of two that fit equally well the first one: commas are the likeliest to stand inside of fields
SAMPLE = 200  # records from which the separator is told
LONGEST = 1 << 23  # bytes of a line
MOST_FIELDS = 100_000  # of a line
CHUNK = 20_000  # rows that are held as Python objects at a time
NAMED_SEPARATOR = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's own first line
NAMELESS = "Unnamed: {}"  # what pandas calls a column without a name, counted from 0
TEXT: Any = "string[pyarrow]"

MARKS = {  # the longer marks first: that of UTF-16 begins that of UTF-32
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
OTHER_FILES = {  # archives, Excel's new workbooks among them, are told by ``files``
    b"\xd0\xcf\x11\xe0": "an Excel workbook of the old kind; save the sheet as CSV",
    b"PAR1": "a Parquet file; give it the ending .parquet",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"%PDF": "a PDF document; save the table in it as CSV",
    b"version https://git-lfs": "a Git LFS pointer; fetch the file that it stands for (git lfs pull)",
    b"<!DOCTYPE": "a page of HTML; download the file itself",
    b"<html": "a page of HTML; download the file itself",
    b"<?xml": "XML; save the table in it as CSV",
    b"\x89HDF": "an HDF5 file; save the table in it as CSV or Parquet",
    b"\x93NUMPY": "a NumPy array; give bridle.Data the array",
    b'{"': "JSON; save the table in it as CSV",
    b"[{": "JSON; save the table in it as CSV",
    b"@relation": "an ARFF file; save it as CSV",
    b"ARROW1": "an Arrow file; save it as CSV or Parquet",
}


class Record(NamedTuple):
    """The fields of one row, and the line on which it ends, counted from 1."""

    line: int
    fields: list[str]


class ParsedText(NamedTuple):
    """A table of words, columns named as in the header, and what was done to read it, as sentences."""

    frame: pd.DataFrame
    notes: tuple[str, ...]


class EncodedText(NamedTuple):
    """The bytes of a file and how they are encoded; decoded as far as they are read."""

    data: bytes
    encoding: str

    def lines(self) -> io.TextIOWrapper:
        """The text from its beginning, whatever ends its lines."""
        return io.TextIOWrapper(io.BytesIO(self.data), encoding=self.encoding, newline="")


def read_delimited(data: bytes) -> ParsedText:
    """The table in ``data``; ``ValueError`` says why there is none."""
    check_lines(data)
    source = EncodedText(data, encoding_of(data))
    named = named_separator(source)
    separator = named or separator_of(source)
    stream = records(source, separator)
    if named:
        next(stream)
    above, header = header_of(stream, width_of(source, separator))
    names = [name.strip() for name in header.fields]
    frame = read_body(stream, len(names))
    if not names[-1] and len(frame) and (frame.iloc[:, -1].str.strip() == "").all():
        names.pop()  # every line ends with a separator
        frame = frame.iloc[:, :-1]
    frame.columns = pd.Index([name or NAMELESS.format(k) for k, name in enumerate(names)])
    return ParsedText(frame, (*preamble_note(above), *numeric_header_note(names)))


def encoding_of(data: bytes) -> str:
    """UTF-8, or what the byte order mark says; ``ValueError`` for what is no text."""
    for magic, kind in OTHER_FILES.items():
        if data[: len(magic)].lower() == magic.lower():
            raise InputError(f"it is {kind}")
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    if encoding.startswith("utf-8") and b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise InputError(f"line {line} has a NUL byte, which no text has; if it is UTF-16, save it as UTF-8")
    return encoding


def check_lines(data: bytes) -> None:
    """Raise ``ValueError`` for text that is blank, or a line of which would fill the memory."""
    if not data.strip():
        raise InputError("it is blank: it has no line that names columns")
    for start in range(0, len(data) - LONGEST, LONGEST):
        if not any(data.find(end, start, start + LONGEST) >= 0 for end in (b"\n", b"\r")):
            raise InputError(f"it has a line of more than {LONGEST >> 20} MiB; a table has a line for each row")


def records(source: EncodedText, separator: str, *, strict: bool = False) -> Iterator[Record]:
    """The rows of fields, without blank lines."""
    reader = csv.reader(source.lines(), delimiter=separator, skipinitialspace=True, strict=strict)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            raise InputError(not_text(source)) from error
        except csv.Error as error:
            raise InputError(f"line {reader.line_num}: {error}; is a quotation mark not closed?") from error
        if len(fields) > MOST_FIELDS:
            raise InputError(f"line {reader.line_num} has {len(fields)} fields; at most {MOST_FIELDS} are read")
        if len(fields) > 1 or "".join(fields).strip():
            yield Record(reader.line_num, fields)


def not_text(source: EncodedText) -> str:
    """The sentence for bytes that are no text in the encoding of the file, with their line."""
    try:
        source.data.decode(source.encoding)
    except UnicodeDecodeError as error:
        line = source.data[: error.start].count(b"\n") + 1
        name = "UTF-8" if source.encoding.startswith("utf-8") else source.encoding.upper()
        return f"line {line} is not {name} text ({error.reason}); save it as UTF-8"
    return "it is cut within a character; fetch it again"


def named_separator(source: EncodedText) -> str | None:
    """The separator that the first line names, as Excel writes it: "sep=;"."""
    try:
        first = next((line for line in source.lines() if line.strip()), "")
    except UnicodeDecodeError as error:
        raise InputError(not_text(source)) from error
    named = NAMED_SEPARATOR.fullmatch(first.strip("\r\n"))
    return named[1] if named else None


def separator_of(source: EncodedText) -> str:
    """The separator under which most of the first rows have the same number of fields, more than one."""
    fits = {separator: separator_fit(source, separator) for separator in SEPARATORS}
    best = max(SEPARATORS, key=fits.__getitem__)
    return best if fits[best] > (0, 0) else ","


def separator_fit(source: EncodedText, separator: str) -> tuple[float, int]:
    """The share of the first rows that have the commonest number of fields, and that number; (0, 0) for one field."""
    try:
        counts = [len(each.fields) for each in itertools.islice(records(source, separator, strict=True), SAMPLE)]
    except ValueError:
        return 0.0, 0
    wide = Counter(count for count in counts if count > 1)
    if not wide:
        return 0.0, 0
    width, often = wide.most_common(1)[0]
    return often / len(counts), width


def width_of(source: EncodedText, separator: str) -> int:
    """The commonest number of fields in the first rows."""
    counts = Counter(len(each.fields) for each in itertools.islice(records(source, separator), SAMPLE))
    return max(counts, key=lambda width: (counts[width], width)) if counts else 0


def header_of(stream: Iterator[Record], width: int) -> tuple[list[Record], Record]:
    """The lines above the header (a title, comments: one field each, where the rows have more), and the header.

    What comes after such lines is a header only if it has no numbers.
    """
    above: list[Record] = []
    for record in stream:
        if len(record.fields) >= min(width, 2) and not is_comment(record, width):
            if above and any(map(is_number, record.fields)):
                first = above[0]
                raise InputError(
                    f"line {first.line} has {counted('field', len(first.fields))}, line {record.line} has "
                    f"{len(record.fields)}; neither looks like a header; the first line must name the columns"
                )
            return above, record
        above.append(record)
    raise InputError("it has no line that names columns")


def is_comment(record: Record, width: int) -> bool:
    """Return True where a line above the header is a comment: "#" and another number of fields than the rows."""
    return record.fields[0].lstrip().startswith("#") and len(record.fields) != width


def is_number(word: str) -> bool:
    """Return True where Python reads the word as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def read_body(stream: Iterator[Record], width: int) -> pd.DataFrame:
    """The rows below the header, one column of text for each field; ``ValueError`` names a row of another length."""
    parts: list[list[pd.Series[Any]]] = [[] for _ in range(width)]
    for rows in chunks(stream, width):
        for part, fields in zip(parts, zip(*rows, strict=True), strict=True):
            part.append(pd.Series(list(fields), dtype=TEXT))
    empty: pd.Series[Any] = pd.Series([], dtype=TEXT)
    return pd.concat([pd.concat(part, ignore_index=True) if part else empty for part in parts], axis=1)


def chunks(stream: Iterator[Record], width: int) -> Iterator[list[list[str]]]:
    """The fields of so many rows at a time; a separator at the end of a line is no field."""
    while rows := [fields_of(each, width) for each in itertools.islice(stream, CHUNK)]:
        yield rows


def fields_of(record: Record, width: int) -> list[str]:
    """Return one field for each column of the header; ``ValueError`` for a row of another length."""
    fields = record.fields
    if len(fields) == width + 1 and not fields[-1].strip():
        return fields[:-1]
    if len(fields) != width:
        raise InputError(
            f"Expected {counted('field', width)} in line {record.line}, saw {len(fields)}: the header names "
            f"{counted('column', width)}; mend that row, or quote a field that has the separator in it"
        )
    return fields


def preamble_note(above: list[Record]) -> list[str]:
    """Return what was passed over."""
    if not above:
        return []
    count = f"{len(above)} lines" if len(above) > 1 else "a line"
    return [f"{count} above the header passed over, the first is {shortened(above[0].fields[0])}"]


def numeric_header_note(names: list[str]) -> list[str]:
    """A header of numbers is the first row of a file that has none, unless it counts."""
    if not all(map(is_number, names)):
        return []
    numbers = [float(name) for name in names]
    if numbers in (list(range(len(names))), list(range(1, len(names) + 1))):
        return []
    return [f"the header is made of numbers ({', '.join(names[:3])} ...): a file without a header loses its first row"]
