"""Rows in the order of time, cut into parts that follow each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["TimeLine", "cuts_near"]


class TimeLine(NamedTuple):
    """The rows by time, and where that order can be cut: no time and no group stands on both sides."""

    order: np.ndarray  # row numbers, int64 of shape (rows,)
    allowed: np.ndarray  # places in that order before which it may be cut, int64, ascending

    @classmethod
    def of(cls, times: np.ndarray, groups: np.ndarray | None = None) -> TimeLine:
        """Order the rows; ``groups`` are numbers 0, 1, 2 ... of shape (rows,)."""
        order = np.argsort(times, kind="stable")
        _, moments = np.unique(times[order], return_inverse=True)
        unbroken = reach(moments)
        if groups is not None:
            unbroken = np.maximum(unbroken, reach(groups[order]))
        farthest = np.maximum.accumulate(unbroken)
        places = np.arange(len(order))
        return cls(order, places[1:][farthest[:-1] < places[1:]])

    def parts(self, cuts: np.ndarray) -> list[np.ndarray]:
        """The row numbers between the cuts, each ascending."""
        return [np.sort(part) for part in np.split(self.order, cuts)]


def reach(codes: np.ndarray) -> np.ndarray:
    """For each row the last place at which its code stands, int64 of shape (rows,).

    >>> reach(np.array([0, 1, 0, 1, 2]))
    array([2, 3, 2, 3, 4])
    """
    last = np.zeros(codes.max() + 1, np.int64)
    last[codes] = np.arange(len(codes))  # where a place is written twice, the last one stays
    reached: np.ndarray = last[codes]
    return reached


def cuts_near(allowed: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
    """For each place that is wanted, ascending, an allowed one near it, all different; None where there are too few.

    >>> cuts_near(np.array([1, 2, 3, 8]), np.array([6.0, 8.0])), cuts_near(np.array([4]), np.array([6.0, 8.0]))
    (array([3, 8]), None)
    """
    if len(allowed) < len(wanted):
        return None
    chosen: list[int] = []
    for number, place in enumerate(wanted.tolist()):
        first = chosen[-1] + 1 if chosen else 0
        last = len(allowed) - len(wanted) + number  # so that enough are left for those that follow
        chosen.append(first + int(np.argmin(np.abs(allowed[first : last + 1] - place))))
    return allowed[chosen]
