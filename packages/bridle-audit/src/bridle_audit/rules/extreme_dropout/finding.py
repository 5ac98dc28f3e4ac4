"""Shared by the checks of this rule."""

from __future__ import annotations

EXTREME = 0.8  # from here on


def said(rate: float) -> str:
    """What such a rate does."""
    if rate >= 1:
        return (
            f"a rate of {rate:g} drops everything: in training nothing comes through, and nothing in front of it learns"
        )
    left = 1 / (1 - rate)
    return (
        f"a rate of {rate:g} drops {rate:.0%} and makes the rest {left:.3g} times as large; was {1 - rate:.2g} meant?"
    )


def cure(rate: float) -> str:
    """The other reading of the number, or a usual one."""
    return f"nn.Dropout({1 - rate:.2g})" if rate < 1 else "nn.Dropout(0.5)"
