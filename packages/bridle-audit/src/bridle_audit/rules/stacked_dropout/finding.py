"""Shared by the checks of this rule."""

from __future__ import annotations


def message(first: float, second: float, where: str) -> str:
    """Return the message of a finding: the rate of two dropouts in a row, combined."""
    total = 1 - (1 - first) * (1 - second)
    return f"drops {second:.3g} of what another dropout ({where}) of {first:.3g} leaves: together they drop {total:.3g}"


def cure(rate: float) -> str:
    """Return a single dropout that replaces the two."""
    return f"nn.Dropout({rate:.3g})  # once: take the other out"
