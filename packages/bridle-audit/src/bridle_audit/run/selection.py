"""Selection of the rules that check, and of the files that are checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePath

from bridle_audit.errors import InputError
from bridle_audit.rule import Rule
from bridle_audit.rules import RULES
from bridle_audit.wording import nearest

__all__ = ["path_excluder", "rule_names", "select_rules"]


def select_rules(allow: Sequence[str] = (), select: Sequence[str] = ()) -> list[Rule]:
    """Return the selected rules, or all if none is, without those in ``allow``."""
    wanted = rule_names("select", select) or list(RULES)
    left_out = rule_names("allow", allow)
    return [each for each in RULES.values() if each.name in wanted and each.name not in left_out]


def rule_names(option: str, given: Sequence[str]) -> list[str]:
    """Return the names of rules, given as one or several; ``InputError``, naming the option, for one that is none."""
    names = [given] if isinstance(given, str) else list(given)
    for each in names:
        if each not in RULES:
            raise InputError(f"{option}: there is no rule {each!r}{nearest(each, list(RULES))}")
    return names


def path_excluder(patterns: Sequence[str]) -> Callable[[Path], bool]:
    """Return a function that is True for paths that a pattern excludes, and for all below them.

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
