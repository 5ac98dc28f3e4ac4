"""The noise that a formula takes: of which law, and what shares a draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from bridle.errors import InputError
from bridle_audit.wording import nearest

__all__ = ["Draw"]

Kind = Literal["uniform", "normal"]
Each = Literal["value", "channel", "row", "batch"]
STREAMS = 2**36  # more than there are in any network


@dataclass(frozen=True)
class Draw:
    """One array of noise that a formula takes, drawn anew for every step.

    ``kind`` is "uniform" (in [0, 1), in steps of 1/65536) or "normal" (mean 0, deviation 1). ``each`` says what shares
    a draw: "value" (every number of the subject has its own), "channel" (one for each example and channel), "row" (one
    for each example), "batch" (one for all). The array has the subject's axes, of length 1 where a draw is shared.
    """

    kind: Kind = "uniform"
    each: Each = "value"

    def __post_init__(self) -> None:
        for name, known in (("kind", get_args(Kind)), ("each", get_args(Each))):
            word = getattr(self, name)
            if word not in known:
                expected = f"{name} must be one of {', '.join(known)}"
                raise InputError(f"Draw: {expected}, got {word!r}{nearest(str(word), list(known))}")

    def shape(self, subject: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the noise for a subject (of one variant) of this shape.

        >>> Draw("uniform", "channel").shape((8, 3, 5, 5)), Draw("normal", "row").shape((8, 20))
        ((8, 3, 1, 1), (8, 1))
        """
        own = {"value": len(subject), "channel": 2, "row": 1, "batch": 0}[self.each]
        return tuple(length if axis < own else 1 for axis, length in enumerate(subject))

    def stream(self, stream_id: int) -> int:
        """Return the stream of random numbers that this draw takes at one place in a run.

        Recipes compared under one seed share the stream, whatever they make of its numbers; draws of another length
        have one of their own, so that no recipe moves the numbers of another.
        """
        return stream_id + STREAMS * get_args(Each).index(self.each)
