"""The content of a file, unpacked where it is gzip, with a sentence for every way in which that fails.

Only regular files are opened, since a pipe or a device may have no end, and no more is read than there may be: a few
kilobytes of gzip can unpack to any size.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import re
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from bridle.errors import InputError

__all__ = ["GIB", "MOST", "check_regular", "content", "most_unpacked"]

GZIP_MAGIC = b"\x1f\x8b"
OTHER_WRAPPINGS = {
    rb"PK\x03\x04": "a zip archive or a spreadsheet",
    rb"\xfd7zXZ\x00": "xz",
    rb"BZh[1-9]1AY&SY": "bzip2",
    rb"\x28\xb5\x2f\xfd": "zstd",
}
HEAD = 2048  # bytes by which a format may tell how long its content is
CHUNK = 1 << 20
GIB = 1 << 30
MOST = "BRIDLE_MOST_GIB"  # the environment variable for a content larger than this many GiB:
MOST_GIB = 1.0
SUSPICIOUS = 1 << 27  # bytes: what is larger, and was packed as small as this share of it, is refused as well
MOST_RATIO = 100  # data are hardly packed that small; a file made to fill the memory is packed a thousand times

Length = Callable[[bytes], int]


def content(path: Path, length: Length | None = None) -> bytes:
    """The uncompressed bytes of ``path``; gzip is recognized by its first bytes, whatever the file is called.

    ``length`` tells by the first bytes how many there should be in all; at most one byte more is then read. Raises
    ``ValueError`` for a file that is missing, unreadable, no regular file, empty, not whole gzip, or larger than
    1 GiB, or than 128 MiB where gzip holds that in a hundredth; the environment variable ``BRIDLE_MOST_GIB`` allows
    more.
    """
    most = most_bytes()
    check_regular(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            stream = unpacked_stream(file)
            if stream is not file:
                most = most_unpacked(size)
            elif length is None:
                check_size(path, size, most)  # before anything is read
            data = read_bounded(stream, most, length)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is corrupt: its gzip data cannot be unpacked ({error}); fetch it again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if not data:
        raise InputError(f"{path} is empty")
    check_size(path, len(data), most)
    check_unwrapped(path, data)
    return data


def check_size(path: Path, size: int, most: int) -> None:
    """Raise ``ValueError`` for more bytes than are read into memory."""
    if size > most:
        why = "" if most >= most_bytes() else f", {MOST_RATIO} times what it is packed"
        raise InputError(
            f"{path} holds more than the {most / GIB:.3g} GiB that are read into memory{why}; if that is meant, allow "
            f"more with the environment variable {MOST}, such as {MOST}={math.ceil(most / GIB) * 8}"
        )


def check_regular(path: Path) -> None:
    """Raise ``ValueError`` for what is not there, and for what may have no end: pipes, devices, folders."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(mode), "a device")
        raise InputError(f"{path} is {kind}, not a file; put the data into a regular file and name that")


def unpacked_stream(file: BinaryIO) -> BinaryIO:
    """``file``, or the stream of its unpacked bytes if it is gzip."""
    packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file


def read_bounded(stream: BinaryIO, most: int, length: Length | None) -> bytes:
    """Return what ``stream`` holds, up to one byte more than there may be."""
    head = stream.read(HEAD)
    end = 1 + (min(most, length(head)) if length else most)
    buffer = io.BytesIO()
    buffer.write(head[:end])
    while chunk := stream.read(min(CHUNK, end - buffer.tell())):
        buffer.write(chunk)
    return buffer.getvalue()


def most_bytes() -> int:
    """Return how many bytes of content are read at most."""
    given = os.environ.get(MOST) or str(MOST_GIB)
    try:
        most = float(given)
    except ValueError:
        most = math.nan
    if not 0 < most < math.inf:
        raise InputError(f"the environment variable {MOST} must be a number of GiB above 0, got {given!r}")
    return int(most * GIB)


def most_unpacked(packed: int) -> int:
    """Return how many bytes may come of so many packed ones."""
    return most_bytes() if os.environ.get(MOST) else min(most_bytes(), max(SUSPICIOUS, MOST_RATIO * packed))


def check_unwrapped(path: Path, data: bytes) -> None:
    """Raise ``ValueError`` for a content that is packed in a way which is not read."""
    for magic, wrapping in OTHER_WRAPPINGS.items():
        if re.match(magic, data):
            raise InputError(
                f"{path} is {wrapping}; unpack it or save it as a plain file: what is read is plain or gzip"
            )
