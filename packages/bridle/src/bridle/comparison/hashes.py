"""SHA-256 sums in letters and digits, by which files are named, found again and checked."""

from __future__ import annotations

import hashlib
import json

__all__ = ["checksum", "hash_json"]


def checksum(content: bytes) -> str:
    """Of bytes."""
    return hashlib.sha256(content).hexdigest()


def hash_json(content: object) -> str:
    """Of what plain data say, however they are laid out."""
    return checksum(json.dumps(content, sort_keys=True, allow_nan=False).encode())
