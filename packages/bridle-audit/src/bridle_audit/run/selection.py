"""Selects the rules that look, and the files that are looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePath

from bridle_audit.errors import InputError
from bridle_audit.rule import Rule
from bridle_audit.rules import RULES
from bridle_audit.wording import nearest


def selected(allow: Sequence[str] = (), select: Sequence[str] = ()) -> list[Rule]:
    """The rules that are selected, all where none is, without those that are allowed to be broken."""
    wanted = check_rules("select", select) or list(RULES)
    left_out = check_rules("allow", allow)
    return [each for each in RULES.values() if each.name in wanted and each.name not in left_out]


def check_rules(said_by: str, given: Sequence[str]) -> list[str]:
    """The names of rules, one or several; ``ValueError``, with who has said it, for one that is none."""
    names = [given] if isinstance(given, str) else list(given)
    for each in names:
        if each not in RULES:
            raise InputError(f"{said_by}: there is no rule {each!r}{nearest(each, list(RULES))}")
    return names


def excluder(patterns: Sequence[str]) -> Callable[[Path], bool]:
    """Tells which files and folders are not read: those that a pattern names, and all below them.

    A pattern with a slash is a path from the current folder; one without is the name of a file or folder anywhere
    below it. ``*``, ``?`` and ``[...]`` stand for what they do in a shell, ``*`` for slashes as well.
    """
    given = [patterns] if isinstance(patterns, str) else patterns
    plain = [each.rstrip("/") for each in given]
    paths = [os.path.abspath(each) for each in plain if "/" in each]  # noqa: PTH100  (links stay as they are named)
    names = [each for each in plain if "/" not in each]

    def excluded(path: Path) -> bool:
        whole = PurePath(os.path.abspath(path))  # noqa: PTH100
        below = PurePath(os.path.relpath(whole)).parts
        return any(fnmatch(part, name) for part in below for name in names) or any(
            fnmatch(str(each), pattern) for each in (whole, *whole.parents) for pattern in paths
        )

    return excluded
