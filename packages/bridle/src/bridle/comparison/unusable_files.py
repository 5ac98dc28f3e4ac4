"""Files of a study that cannot be used: they are named, and kept under another name."""

from __future__ import annotations

import secrets
import warnings
from pathlib import Path

__all__ = ["ASIDE", "set_aside"]

ASIDE = "set-aside"  # the folder in a study's folder; nothing in it is ever read, overwritten or deleted


def set_aside(folder: Path, path: Path, problem: Exception, what: str) -> None:
    """Move a file, whatever it is, out of the way, and warn: why, where it is now, and ``what`` happens next."""
    aside = folder / ASIDE / f"{path.name}.{secrets.token_hex(4)}"
    try:
        aside.parent.mkdir(exist_ok=True)
        path.rename(aside)
    except FileNotFoundError:  # another process has been faster
        return
    said = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    warnings.warn(f"{path} is not used: {said}. It is kept as {aside}; {what}.", stacklevel=2)
