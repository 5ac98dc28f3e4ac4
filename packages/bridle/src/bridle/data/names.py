"""Columns and rows that have names: columns are matched by name, not by place, and a target's rows must be its inputs'.

A table whose columns are only numbered 0, 1, 2 ... has no names of anybody's choice; its columns go by their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from bridle.errors import InputError
from bridle_audit.wording import counted, first_few

__all__ = ["check_different", "check_index", "column_names", "distinct", "feature_names", "order_of"]


def column_names(given: object, name: str) -> tuple[str, ...]:
    """The names of the columns, empty where ``given`` is no table; ``ValueError`` where two are the same."""
    columns = getattr(given, "column_names", getattr(given, "columns", ()))  # of pyarrow, of pandas
    names = tuple(map(str, columns)) if isinstance(columns, Iterable) else ()
    check_different(names, f"{name} has two columns named")
    return names


def check_different(names: Sequence[str], problem: str) -> None:
    """Raise ``ValueError`` that says ``problem`` of a name which occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{problem} {name!r}; give each its own name")
        seen.add(name)


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names; one that was there before has a number behind it.

    >>> distinct(["age", "age is missing", "age is missing"])
    ('age', 'age is missing', 'age is missing (2)')
    """
    taken: dict[str, None] = {}
    for name in names:
        free, number = name, 1
        while free in taken:
            number += 1
            free = f"{name} ({number})"
        taken[free] = None
    return tuple(taken)


def order_of(names: tuple[str, ...], wanted: tuple[str, ...], name: str) -> list[int]:
    """The places of ``wanted`` among ``names``; empty where they are in order, or where one of the two has no names.

    Raises ``ValueError`` where the names differ. ``name`` is what has these names.

    >>> order_of(("b", "a"), ("a", "b"), "x_valid"), order_of(("0", "1"), ("a", "b"), "x_valid")
    ([1, 0], [])
    """
    if not names or not wanted or names == wanted:
        return []
    positions = {each: position for position, each in enumerate(names)}
    lacking, strange = sorted({*wanted} - {*names}), sorted({*names} - {*wanted})
    if not lacking and not strange:
        return [positions[each] for each in wanted]
    if is_numbered(names) or is_numbered(wanted):
        return []
    parts = [f"{verb} {first_few(found, form=repr)}" for verb, found in (("lacks", lacking), ("has", strange)) if found]
    raise InputError(
        f"the columns of {name} are not those of x_train: it {' and '.join(parts)}; give all splits the same"
    )


def is_numbered(names: tuple[str, ...]) -> bool:
    """Return True where the columns are only counted."""
    return names == tuple(map(str, range(len(names))))


def feature_names(given: Sequence[str], columns: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The names given, or else those of x_train's columns.

    Raises ``ValueError`` where there is not one name for each of the ``count`` features, where two are the same, and
    where they are x_train's own columns in another order.
    """
    names = tuple(map(str, given)) or columns
    if names and len(names) != count:
        raise InputError(
            f"got {counted('feature name', len(names))} for {counted('feature', count)}; give one per feature or none"
        )
    check_different(names, "features has twice the name")
    if columns and names != columns and set(names) == set(columns):
        raise InputError("features has the names of x_train's columns in another order; leave features= out")
    return names


def check_index(x: object, y: object, ending: str = "") -> None:
    """Raise ``ValueError`` where inputs and targets are pandas objects whose rows go by different names.

    ``ending`` is that of what they are called, such as "_train".
    """
    if not (isinstance(x, pd.DataFrame) and isinstance(y, pd.Series | pd.DataFrame)) or len(x) != len(y):
        return
    if x.index.equals(y.index):
        return
    labels = enumerate(zip(x.index.tolist(), y.index.tolist(), strict=True))
    row, (one, other) = next((pair for pair in labels if pair[1][0] != pair[1][1]), (0, (x.index.dtype, y.index.dtype)))
    raise InputError(
        f"x{ending} and y{ending} have different indices (row {row}: {one!r} and {other!r}); give "
        f"y{ending}.loc[x{ending}.index] if rows belong together by index, y{ending}.to_numpy() if by place"
    )
