"""Files of a study that cannot be used: they are named, and kept under another name."""

from __future__ import annotations

import errno
import secrets
import warnings
from pathlib import Path

__all__ = ["ASIDE", "set_aside"]

ASIDE = "set-aside"  # the folder in a study's folder; nothing in it is ever read, overwritten or deleted
# What a system says of a link, a folder or a pipe in the place of a file. Anything else that it says (too many open
# files, a server that does not answer, no permission) is of the moment, and says nothing against the file.
NO_FILE = (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO)


def set_aside(folder: Path, path: Path, problem: Exception, what: str) -> None:
    """Move a file, whatever it is, out of the way, and warn: why, where it is now, and ``what`` happens next.

    A file that only cannot be read at the moment, and one in a folder that cannot be written to, stays where it is.
    """
    said = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    if isinstance(problem, OSError) and problem.errno not in NO_FILE:
        warnings.warn(f"{path} cannot be read: {said}. It is left as it is; {what}.", stacklevel=2)
        return
    aside = folder / ASIDE / f"{path.name}.{secrets.token_hex(4)}"
    try:
        aside.parent.mkdir(exist_ok=True)
        path.rename(aside)
    except FileNotFoundError:  # another process has been faster
        return
    except OSError as error:
        warnings.warn(f"{path} is not used: {said}. It cannot be moved ({error.strerror}); {what}.", stacklevel=2)
        return
    warnings.warn(f"{path} is not used: {said}. It is kept as {aside}; {what}.", stacklevel=2)
