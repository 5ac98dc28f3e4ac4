"""The parts of a logical line of Python: brackets, and what commas and operators outside of them separate."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["at_commas", "at_operator", "brackets", "code_characters"]

CLOSING = {"(": ")", "[": "]", "{": "}"}
COMPREHENSION, CLAUSE = " for ", re.compile(" (for|if) ")
# From the weakest to the strongest.
OPERATORS = [
    COMPREHENSION,
    *(f" {each} " for each in ("or", "and", "if", "<", ">=", "==", "&", "+", "-", "*", "/", "@")),
]


def brackets(code: str) -> Iterator[tuple[int, int, int]]:
    """Yield the opening, closing and depth of each pair of brackets outside of strings."""
    opened: list[int] = []
    for position, mark in code_characters(code):
        if mark in CLOSING:
            opened.append(position)
        elif mark in CLOSING.values():
            start = opened.pop()
            yield start, position, len(opened)


def code_characters(code: str) -> Iterator[tuple[int, str]]:
    """Yield the characters of code outside of strings, with their positions."""
    quote = ""
    for position, mark in enumerate(code):
        if quote:
            quote = "" if mark == quote else quote
        elif mark in "\"'":
            quote = mark
        else:
            yield position, mark


def at_commas(code: str) -> list[str]:
    """Split code at the outermost commas."""
    within = inside(code)
    cuts = [position for position, mark in code_characters(code) if mark == "," and position not in within]
    starts, ends = [0, *(each + 1 for each in cuts)], [*cuts, len(code)]
    return [part for start, end in zip(starts, ends, strict=True) if (part := code[start:end].strip())]


def at_operator(code: str) -> list[str]:
    """Split code before each of the weakest operators that are outside of all brackets."""
    outside = sorted({*range(len(code))} - inside(code))
    for operator in OPERATORS:
        found = [each + 1 for each in outside if code.startswith(operator, each)]
        if operator == COMPREHENSION:
            found = [each + 1 for each in outside if found and each + 1 >= found[0] and CLAUSE.match(code, each)]
        if found:
            starts, ends = [0, *found], [*found, len(code)]
            return [code[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    return [code]


def inside(code: str) -> set[int]:
    """Return the positions that are in some bracket or string."""
    outside = {position for position, _ in code_characters(code)}
    return {p for start, end, _ in brackets(code) for p in range(start, end + 1)} | set(range(len(code))) - outside
