"""IPython's own syntax in a cell: taken out, or replaced by the Python behind it, line by line.

IPython's own transformer is no substitute: it hides the code behind ``%time`` in a string, and moves lines.
"""

from __future__ import annotations

import io
import re
import tokenize

__all__ = ["to_python"]

# What these do with the code behind them is to run it: the code is kept.
OPTIONS = r"(?:-[nrslTDp]\s*[\w.]+\s+|-[A-Za-z]\s+|--[\w-]+\s+)*"
RUNS = re.compile(rf"^(?P<indent>\s*)%(?:time|timeit|prun|memit|lprun|mprun)\s+{OPTIONS}(?P<code>\S.*)$")
RUNS_CELL = re.compile(r"^\s*%%(?:time|timeit|prun|memit|capture|debug|heat|snakeviz|scalene)\b")
OTHER_CELL = re.compile(r"^\s*%%\w")
LINE = re.compile(r"^(?P<indent>\s*)[%!?]")
HELP = re.compile(r"^(?P<indent>\s*)[^#'\"]*[\w\])]\?{1,2}\s*$")
CAPTURED = re.compile(r"^(?P<head>\s*[\w.,\[\] ]+=\s*)[%!]\w.*$")


def to_python(cell: str) -> tuple[str, dict[int, int]]:
    """A cell as Python, with as many lines, and by line how many columns its code has moved to the left.

    >>> to_python("%matplotlib inline\\n%time train(model)\\nfiles = !ls")
    ('pass\\ntrain(model)\\nfiles = _', {2: 6})
    """
    lines = cell.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if RUNS_CELL.match(lines[first]):
        lines[first] = ""
    elif OTHER_CELL.match(lines[first]):
        return "\n" * (len(lines) - 1), {}
    shifts: dict[int, int] = {}
    goes_on = False  # whether a shell command goes on in this line
    for number, line in enumerate(lines):
        if goes_on:
            goes_on = line.endswith("\\")
            lines[number] = ""
        elif may_be_magic(line) and not is_inside("\n".join(lines[:number])):
            goes_on = line.endswith("\\") and bool(LINE.match(line))
            lines[number], shifts[number + 1] = replace_magic(line)
    return "\n".join(lines), {line: shift for line, shift in shifts.items() if shift}


def may_be_magic(line: str) -> bool:
    """Return True if a line may be IPython's."""
    return any(pattern.match(line) for pattern in (LINE, HELP, CAPTURED))


def replace_magic(line: str) -> tuple[str, int]:
    """One line of IPython as Python, and the columns that were taken away in front."""
    if found := RUNS.match(line):
        return found["indent"] + found["code"], found.start("code") - len(found["indent"])
    if found := CAPTURED.match(line):
        return found["head"] + "_", 0
    indent = line[: len(line) - len(line.lstrip())]
    return indent + "pass", 0


def is_inside(text: str) -> bool:
    """Return True if a text ends within brackets or a string, so that the next line belongs to it."""
    try:
        list(tokenize.generate_tokens(io.StringIO(text).readline))
    except tokenize.TokenError:
        return True
    except SyntaxError:  # its indentation: no matter here
        return False
    return False
