"""Files that appear whole or not at all, whoever else writes and whoever dies; and files read within bounds."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from bridle_audit.errors import InputError

__all__ = ["open_bounded", "read_whole", "remove_left_overs", "write_once", "write_whole"]

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

# Note [how a file is written]
# Into a temporary file of its own in the same folder, made with O_EXCL, so that neither another writer nor a link that
# somebody has put there is ever written through. It is on the disk before it takes the name, and a reader sees the old
# content or the new one. While it is written it is locked: the lock goes with its process, however that ends, so what
# is not locked was left over, and the next one who writes to that folder takes it away.
TEMPORARY = re.compile(r"\.bridle-[0-9a-f]{16}\.partial")
ATTEMPTS = 3  # a temporary file can be taken for a left-over in the moment before it is locked, and then is made again
A_DAY = 86400.0  # seconds; where nothing can be locked, a temporary file as old as that is a left-over
NO_FOLLOW, BINARY, NON_BLOCKING = (getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_BINARY", "O_NONBLOCK"))
LARGEST = 256 * 2**20  # bytes of a file that is read as a whole, unless told otherwise


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file that appears complete or not at all, into a folder that is there.

    A device or a pipe is written to as it is.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.is_dir():  # before a temporary name is made of one that has none, such as "."
        raise IsADirectoryError(errno.EISDIR, "a file cannot be written in the place of a folder", str(path))
    if is_stream(path):
        path.write_bytes(data)
        return
    write_temporary(path, data, Path.replace)


def write_once(path: Path, content: str | bytes) -> bool:
    """Write a file that appears complete or not at all, and never changes: False where something has its name.

    Of several processes that write it at once one succeeds.
    """
    if os.path.lexists(path):
        return False
    try:
        write_temporary(path, content.encode() if isinstance(content, str) else content, take_free_name)
    except FileExistsError:
        return False
    return True


def write_temporary(path: Path, data: bytes, rename: Callable[[Path, Path], object]) -> None:
    """Write ``data`` under a temporary name, then ``rename`` it; errors are told under the name that was asked for."""
    try:
        remove_left_overs(path.parent)
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(FileNotFoundError):
                write_and_rename(path, data, rename)
                return
        write_and_rename(path, data, rename)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_and_rename(path: Path, data: bytes, rename: Callable[[Path, Path], object]) -> None:
    """Put ``data`` on the disk under a temporary name, then under ``path``."""
    temporary = path.with_name(f".bridle-{secrets.token_hex(8)}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW | BINARY
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            lock(file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def take_free_name(temporary: Path, path: Path) -> None:
    """Give a file a name that nothing has; ``FileExistsError`` where something has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: who looks and renames in the same moment may replace the other
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        temporary.replace(path)


def is_stream(path: Path) -> bool:
    """Return True where something other than a file or a folder has that name, such as ``/dev/stdout``."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; whether that worked."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove_left_overs(folder: Path) -> None:
    """Take away the temporary files in a folder whose processes died while they wrote."""
    with os.scandir(folder) as entries:
        found = [each for each in entries if TEMPORARY.fullmatch(each.name) and each.is_file(follow_symlinks=False)]
    for each in found:
        with contextlib.suppress(OSError):
            if is_left_over(Path(each.path)):
                Path(each.path).unlink()


def is_left_over(path: Path) -> bool:
    """Return True for a temporary file that nobody writes any more."""
    if time.time() - path.stat().st_mtime > A_DAY:
        return True
    descriptor = os.open(path, os.O_RDONLY | NO_FOLLOW)
    try:
        return lock(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_bounded(path: Path, *, largest: int = LARGEST, follow: bool = True) -> Iterator[BinaryIO]:
    """A file to read from; ``ValueError`` for what is no regular file, or is larger than ``largest`` bytes.

    With ``follow=False`` a link is not followed: that is an ``OSError``.
    """
    links = 0 if follow else NO_FOLLOW
    descriptor = os.open(path, os.O_RDONLY | BINARY | NON_BLOCKING | links)  # a pipe without a writer must not hang
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise InputError(f"{path} is not a regular file")
        if about.st_size > largest:
            limit = f"{largest / 2**20:.0f} MiB"
            raise InputError(f"{path} is larger than {limit}, the most that is read of such a file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_whole(path: Path, *, largest: int = LARGEST, follow: bool = True) -> bytes:
    """The content of a file; raises as :func:`open_bounded` does."""
    with open_bounded(path, largest=largest, follow=follow) as file:
        return file.read()  # read(largest) would take memory for so much before it looks
