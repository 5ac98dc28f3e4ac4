"""Shared by the checks of this rule."""

from __future__ import annotations

from collections.abc import Sequence

MUCH = 1.5  # times what was stated; weights within a factor of about 1.5 stay below
CURE = (
    'each = torch.nn.functional.cross_entropy(logits, y, label_smoothing=0.1, reduction="none")\n'
    "loss = (weights[y] * each).sum() / weights[y].sum()"
)


def describe_distortion(weights: Sequence[float], smoothing: float) -> str:
    """Return a sentence if class weights change the label smoothing much; empty if they do not."""
    stated = smoothing * (len(weights) - 1) / len(weights)
    if smoothing <= 0 or len(weights) < 2 or min(weights) < 0:
        return ""
    shares = wrong_class_shares(weights, smoothing)
    worst = max(range(len(weights)), key=shares.__getitem__)
    if shares[worst] < MUCH * stated:
        return ""
    return (
        f"label smoothing of {smoothing:g} with class weights from {min(weights):.3g} to {max(weights):.3g}: in rows "
        f"of class {worst}, {shares[worst]:.3g} of the target goes to other classes, not {stated:.3g}"
    )


def wrong_class_shares(weights: Sequence[float], smoothing: float) -> list[float]:
    """Return, for each class, the share of its targets that goes to other classes; 0 for weights of 0.

    >>> [round(each, 3) for each in wrong_class_shares([1.0, 10.0], 0.1)]
    [0.345, 0.005]
    """
    spread = [smoothing / len(weights) * each for each in weights]
    totals = [(1 - smoothing) * each + sum(spread) for each in weights]
    pairs = zip(weights, spread, totals, strict=True)
    return [(sum(spread) - part) / total if each > 0 else 0.0 for each, part, total in pairs]
