"""The columns of a table of data: lines for the terminal, rows for the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from bridle.report.charts.figure import PageTable
from bridle_audit.wording import counted, first_few, printable

__all__ = ["columns_table", "data_lines", "page_table"]

CLASSES_SHOWN = 20
STYLES = {"dropped": "yellow"}


def data_lines(data: dict[str, Any]) -> list[str]:
    """Describe data in a few lines: name, task, rows, inputs; ``data`` is the result of ``Data.describe()``."""
    rows = ", ".join(f"{count} {split}" for split, count in data["rows"].items() if count)
    of_columns = f" of {kinds_of(data)}" if column_rows(data) else ""
    inputs = f"inputs: {data['features']}{of_columns}"
    return [f"{data['name']}: {data['task']}{of_target(data)}", f"rows: {rows}", inputs, ""]


def kinds_of(data: Mapping[str, object]) -> str:
    """Count the columns, in all and by kind.

    >>> kinds_of({"columns": [{"kind": "number"}, {"kind": "number"}, {"kind": "dropped"}]})
    '3 columns (2 number, 1 dropped)'
    """
    kinds = Counter(kind for _, kind, *_ in column_rows(data))
    return f"{counted('column', kinds.total())} ({', '.join(f'{count} {kind}' for kind, count in kinds.most_common())})"


def of_target(data: dict[str, Any]) -> str:
    """Name the target and its classes, as far as there are any."""
    target = f" of {data['target']}" if data["target"] else ""
    classes = data["classes"]
    if not classes:
        return target
    return f"{target}, {counted('class', len(classes))} ({first_few(classes, CLASSES_SHOWN)})"


def columns_table(data: Mapping[str, object]) -> Table:
    """Return a table of the columns for ``rich``: name, kind, inputs, preprocessing."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("column", overflow="fold")
    table.add_column("kind", no_wrap=True)
    table.add_column("inputs", justify="right", no_wrap=True)
    table.add_column("what was done", overflow="fold")
    for name, kind, features, done in column_rows(data):
        table.add_row(Text(printable(name)), Text(kind, style=STYLES.get(kind, "")), features, Text(printable(done)))
    return table


def page_table(data: Mapping[str, object]) -> PageTable:
    """Return the columns as a table of the page; without rows where the data were no table."""
    return PageTable("What was made of each column", ["Column", "Kind", "Inputs", "What was done"], column_rows(data))


def column_rows(data: Mapping[str, object]) -> list[list[str]]:
    """Return one row of text for each column; in a study from elsewhere, cells may be empty."""
    found = data.get("columns")
    return [row_of(column) for column in found if isinstance(column, dict)] if isinstance(found, list) else []


def row_of(column: Mapping[str, object]) -> list[str]:
    """Format a column as text."""
    phrases = [*listed(column.get("notable")), *listed(column.get("done"))]
    return [*(str(column.get(key, "")) for key in ("name", "kind", "features")), "; ".join(phrases)]


def listed(phrases: object) -> list[str]:
    """Return phrases as a list of text; none where they are no list."""
    return list(map(str, phrases)) if isinstance(phrases, list | tuple) else []
