"""Makes Markdown of docstrings: doctests become code, which Markdown takes for quotations, and roles become names."""

from __future__ import annotations

import doctest
import re
import textwrap
from typing import Any

import griffe

PARSER = doctest.DocTestParser()
ROLE = re.compile(r":(?:meth|func|class|mod|data):`~?([^`]+)`")


class Docstrings(griffe.Extension):
    """Puts a fence around each run of examples, wherever it stands in a docstring, and takes roles off names."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for everything that is documented."""
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(r"`\1`", fenced(obj.docstring.value))


def fenced(text: str) -> str:
    """A docstring whose examples are blocks of code."""
    made: list[str] = []
    examples: list[doctest.Example] = []
    for part in PARSER.parse(text):
        if isinstance(part, doctest.Example):
            examples.append(part)
        elif examples and not part.strip():
            continue
        else:
            made += [*block(examples), part]
            examples = []
    return "".join([*made, *block(examples)])


def block(examples: list[doctest.Example]) -> list[str]:
    """Examples as they were written, within a fence."""
    if not examples:
        return []
    lines = []
    for each in examples:
        first, *rest = each.source.splitlines()
        lines += [f">>> {first}", *(f"... {line}" for line in rest), *each.want.splitlines()]
    code = "\n".join(["", "```pycon", *lines, "```", "", ""])
    return [textwrap.indent(code, " " * examples[0].indent)]
