"""A sentence of advice, and the numbers that it rests on."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Advice"]


@dataclass(frozen=True)
class Advice:
    """One sentence of advice, the numbers that it rests on by their path in study.json, and where the page has them."""

    topic: str  # such as "underfits"
    sentence: str
    numbers: dict[str, float]
    anchor: str  # the id of an element of the page

    @property
    def key(self) -> str:
        """The path in study.json of the first number: "contenders[2].versus_baseline.difference"."""
        return next(iter(self.numbers))

    @property
    def value(self) -> float:
        """The first number."""
        return self.numbers[self.key]
