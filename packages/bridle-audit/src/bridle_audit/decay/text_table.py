"""Tables as plain text, with aligned columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["format_table"]


def format_table(columns: Mapping[str, bool], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its columns aligned under their headings, those without a value left out.

    ``columns`` are the headings, and whether a column holds words, which stand to the left, or numbers.
    """
    cells = zip(columns.items(), zip(*rows, strict=True), strict=True)
    filled = [align_cells([heading, *column], is_words) for (heading, is_words), column in cells if any(column)]
    return ["  ".join(line).rstrip() for line in zip(*filled, strict=True)]


def align_cells(cells: Sequence[str], is_words: bool) -> list[str]:
    """Pad the cells of a column to one width."""
    width = max(map(len, cells))
    return [each.ljust(width) if is_words else each.rjust(width) for each in cells]
