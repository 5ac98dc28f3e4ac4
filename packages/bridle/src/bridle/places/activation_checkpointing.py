"""Parts of a pass that are run again within ``backward()``: activation checkpointing.

``torch.utils.checkpoint`` keeps no activations of a segment and computes them once more when their gradient is needed.
What was so in the first run must be so in the second: the noise, the state that a formula began with, who was noted. It
is kept with what torch itself keeps of a segment, and is gone when that is.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, NamedTuple, TypeVar

import torch
from torch.utils.checkpoint import CheckpointFunction
from torch.utils.checkpoint import __file__ as HOME

from bridle.errors import StateError

__all__ = ["as_first", "is_checkpointed", "is_rerun"]

T = TypeVar("T")
MEMORY = "_bridle_memory"  # among the attributes of what torch keeps of a segment


class Memory:
    """The values of one owner in the calls of a segment's first run."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.reruns = 0  # calls in later runs

    def next(self) -> Any:
        """Return the value of the next call of a later run."""
        self.reruns += 1
        return self.values[(self.reruns - 1) % len(self.values)]


class Segments(NamedTuple):
    """The segments that run now, the inner ones first: those that run for the first time, and one that does again."""

    first: list[Any]
    again: Any


def is_rerun() -> bool:
    """Return True within ``backward()``."""
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1


def as_first(owner: object, value: T) -> T:
    """Return the value; where a segment is run again, the one that the owner had at this call in the first run.

    ``RuntimeError`` where something else than torch.utils.checkpoint runs a part of the model again.
    """
    if torch.compiler.is_compiling():
        return value
    segments = segments_now()
    if segments.again is not None or is_rerun():
        kept = memory_of(segments.again, owner)
        if not kept.values:
            raise StateError(
                "a part of the model is run again within backward(), and what was so the first time is not known: the "
                "recipe knows activation checkpointing by torch.utils.checkpoint alone, take that, or none"
            )
        value = kept.next()
    for each in segments.first:
        memory_of(each, owner).values.append(value)
    return value


def is_checkpointed() -> bool:
    """Return True where a segment runs now for the first time."""
    return not torch.compiler.is_compiling() and bool(segments_now().first)


def memory_of(segment: Any, owner: object) -> Memory:
    """Return the memory of an owner in a segment; an empty one where there is no segment."""
    memories: dict[int, Memory] = {} if segment is None else vars(segment).setdefault(MEMORY, {})
    return memories.setdefault(id(owner), Memory())


def segments_now() -> Segments:
    """Return the segments on the stack, up to the one that is run again."""
    first: list[Any] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == HOME:
            found, again = segment_of(frame)
            if again:
                return Segments(first, found)
            if found is not None:
                first.append(found)
        frame = frame.f_back
    return Segments(first, None)


def segment_of(frame: FrameType) -> tuple[Any, bool]:
    """Return torch's record of the segment that a frame of its own runs, and True where it runs it again."""
    if frame.f_code is CheckpointFunction.forward.__code__:
        return frame.f_locals.get("ctx"), False
    if frame.f_code is CheckpointFunction.backward.__code__:
        return frame.f_locals.get("ctx"), True
    if frame.f_code.co_name == "unpack_hook":
        return frame.f_locals.get("frame"), True
    waiting: Any = frame.f_locals.get("gen") if frame.f_code.co_name == "checkpoint" else None
    return (waiting.gi_frame.f_locals.get("new_frame") if waiting and waiting.gi_frame else None), False
