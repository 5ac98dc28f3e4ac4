"""Shared by the checks of this rule."""

from __future__ import annotations

EXTREME = 0.8  # from here on


def message(rate: float) -> str:
    """Return the message of a finding: the share that is dropped and the factor on the rest."""
    if rate >= 1:
        return (
            f"a rate of {rate:g} drops everything: in training nothing comes through, and nothing in front of it learns"
        )
    left = 1 / (1 - rate)
    return (
        f"a rate of {rate:g} drops {rate:.0%} and makes the rest {left:.3g} times as large; was {1 - rate:.2g} meant?"
    )


def cure(rate: float) -> str:
    """Return a dropout with the complementary rate, or with 0.5 if everything is dropped."""
    return f"nn.Dropout({1 - rate:.2g})" if rate < 1 else "nn.Dropout(0.5)"
