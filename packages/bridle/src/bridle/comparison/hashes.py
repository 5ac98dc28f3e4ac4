"""SHA-256 sums in letters and digits, by which files are named, found again and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from bridle.errors import InputError
from bridle.json_decoding import parse

__all__ = ["checksum", "hash_json", "seal", "unseal"]

# A sealed object is JSON whose first key is the sum of the bytes behind it: it is checked before it is parsed, at the
# pace of the disk.
HEAD, DIGITS, BETWEEN = b'{"checksum": "', 64, b'", '


def checksum(content: bytes) -> str:
    """Of bytes."""
    return hashlib.sha256(content).hexdigest()


def hash_json(content: object) -> str:
    """Of what plain data say, however they are laid out."""
    return checksum(json.dumps(content, sort_keys=True, allow_nan=False).encode())


def seal(content: Mapping[str, object]) -> bytes:
    """A line of JSON that begins with its own checksum.

    >>> seal({"seed": 3})[:24], unseal(seal({"seed": 3}))["seed"]
    (b'{"checksum": "933f88f13d', 3)
    """
    rest = json.dumps(content, allow_nan=False)[1:].encode()
    return b"".join([HEAD, checksum(rest).encode(), BETWEEN, rest, b"\n"])


def unseal(text: bytes) -> dict[str, Any]:
    """Read :func:`seal` back; ``ValueError`` for anything else."""
    start = len(HEAD) + DIGITS
    rest = text[start + len(BETWEEN) :].rstrip()  # a copy may end its line otherwise
    if not text.startswith(HEAD) or text[start : start + len(BETWEEN)] != BETWEEN:
        raise InputError("it does not begin with a checksum, as this bridle writes it")
    if text[len(HEAD) : start] != checksum(rest).encode():
        raise InputError("its content is not what was written, by its checksum")
    found: dict[str, Any] = parse(text)
    return found
