"""The numbering of a run's streams of noise: the same in both engines and in ``attach``."""

from __future__ import annotations

import zlib

from bridle.places.base import Placed

__all__ = ["SECOND_PASS_OFFSET", "STREAMS_PER_SITE", "first_stream_id"]

STREAMS_PER_SITE = 16
NAMED_STREAMS = 2**32  # streams of regularizers at no site are numbered from here, by a hash: in all, 2**36
SECOND_PASS_OFFSET = 2**40  # added to a stream: the noise of a second pass


def first_stream_id(unit: Placed, whose: str = "") -> int:
    """Return the first stream of noise of a regularizer that acts at no site: on a parameter, or on the batch."""
    words = ",".join(map(str, unit.settings(numbers=False).values()))
    return NAMED_STREAMS + STREAMS_PER_SITE // 2 * zlib.crc32(f"{type(unit).__name__}({words}) {whose}".encode())
