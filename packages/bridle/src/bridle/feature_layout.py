"""The layout of a row's features: the pixels of an image, or the columns of a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """``image`` is (channels, height, width) of an image, else None; ``groups`` numbers the columns of a table.

    Columns that say one thing together have one number: they are replaced together or not at all.
    """

    image: tuple[int, int, int] | None = None
    groups: tuple[int, ...] = ()

    @classmethod
    def of(cls, shape: tuple[int, ...], names: tuple[str, ...] = ()) -> Layout:
        """The layout of rows of this shape; of a table, by the names of its features.

        The columns of a category (``sex=Male``) are a group, and so are an amount and the column that says where it is
        missing.

        >>> Layout.of((28, 28)).image, Layout.of((4,), ("age", "sex=F", "sex=M", "age is missing")).groups
        ((1, 28, 28), (0, 1, 1, 0))
        """
        if len(shape) in (2, 3):
            channels, height, width = (1, *shape)[-3:]
            return cls((channels, height, width))
        origins = [source_column(name) for name in names] or [str(number) for number in range(math.prod(shape))]
        order = {name: number for number, name in enumerate(dict.fromkeys(origins))}
        return cls(None, tuple(order[name] for name in origins))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width); ``ValueError`` for a table."""
        if self.image is None:
            raise ValueError("a table's columns have no place in an image")  # not our own: exported code has this class
        return self.image

    @cached_property
    def firsts(self) -> np.ndarray:
        """The first feature of each group."""
        return np.unique(np.asarray(self.groups, dtype=np.int64), return_index=True)[1]

    @cached_property
    def first_of_group(self) -> np.ndarray:
        """For each feature, the first feature of its group: where the group's noise is read."""
        groups = np.asarray(self.groups, dtype=np.int64)
        return self.firsts[np.searchsorted(groups[self.firsts], groups)]

    @cached_property
    def centers(self) -> np.ndarray:
        """(2, features): the vertical and the horizontal place of each pixel's center, in (0, 1); images only."""
        channels, height, width = self.image_shape
        grid = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
        return np.stack([np.tile(axis.ravel(), channels) for axis in grid])


def source_column(name: str) -> str:
    """The column of the table that a feature was made from (see :mod:`bridle.data.preprocessing`).

    >>> source_column("sex=Male"), source_column("age"), source_column("age is missing")
    ('sex', 'age', 'age')
    """
    return name.partition("=")[0].removesuffix(" is missing")
