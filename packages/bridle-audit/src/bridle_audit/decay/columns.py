"""Plain text in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def table(columns: Mapping[str, bool], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the columns aligned under their headings, those without a value left out.

    ``columns`` are the headings, and whether a column holds words, which stand to the left, or numbers.
    """
    cells = zip(columns.items(), zip(*rows, strict=True), strict=True)
    filled = [aligned([heading, *column], is_words) for (heading, is_words), column in cells if any(column)]
    return ["  ".join(line).rstrip() for line in zip(*filled, strict=True)]


def aligned(cells: Sequence[str], is_words: bool) -> list[str]:
    """The cells of a column, all of one width."""
    width = max(map(len, cells))
    return [each.ljust(width) if is_words else each.rjust(width) for each in cells]
