"""Arrays as files in MNIST's idx format."""

from __future__ import annotations

import struct

import numpy as np

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(array: np.ndarray, kind: str = "u1") -> bytes:
    """Return an idx file of the array."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[kind], array.ndim, *array.shape)
    return head + array.astype(f">{kind}").tobytes()
