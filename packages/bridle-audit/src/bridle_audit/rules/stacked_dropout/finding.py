"""Shared by the checks of this rule."""

from __future__ import annotations


def said(first: float, second: float, where: str) -> str:
    """What the two do together."""
    total = 1 - (1 - first) * (1 - second)
    return f"drops {second:.3g} of what another dropout ({where}) of {first:.3g} leaves: together they drop {total:.3g}"


def cure(rate: float) -> str:
    """One dropout in the place of two."""
    return f"nn.Dropout({rate:.3g})  # once: take the other out"
