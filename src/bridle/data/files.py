"""The content of a file, unpacked where it is gzip, with a sentence for every way in which that fails."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

GZIP_MAGIC = b"\x1f\x8b"


def content(path: Path) -> bytes:
    """The uncompressed bytes of ``path``; gzip is recognized by its first bytes, whatever the file is called.

    Raises ``ValueError`` for a file that is missing, unreadable, empty, or not whole gzip.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {path}") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error
    return unpacked(raw, str(path))


def unpacked(raw: bytes, source: str) -> bytes:
    """``raw`` without its gzip wrapping, if it has one; ``source`` is the name used in errors."""
    try:
        inside = gzip.decompress(raw) if raw.startswith(GZIP_MAGIC) else raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{source} is corrupt: its gzip data cannot be unpacked ({error}); fetch it again") from error
    if not inside:
        raise ValueError(f"{source} is empty")
    return inside
