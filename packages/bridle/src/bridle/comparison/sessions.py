"""The time that a study has taken, over all its sessions."""

from __future__ import annotations

import json
import math
import os
import secrets
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from bridle_audit.atomic_files import read_whole

__all__ = ["Session"]

SECONDS_BETWEEN_NOTES = 5.0


@dataclass
class Session:
    """The time since ``started``, and that of earlier sessions under the same ``setting`` (a hash).

    What a session has taken so far is appended to ``log`` now and then, a line each time: if it is killed, the time
    since the last line is not counted. Without a log there is this session alone.
    """

    log: Path | None
    setting: str
    started: float = field(default_factory=perf_counter)
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    noted: float = -math.inf
    earlier: float = field(init=False)

    def __post_init__(self) -> None:
        longest: dict[str, float] = {}
        for session, seconds in self.lines():
            longest[session] = max(seconds, longest.get(session, 0.0))
        self.earlier = math.fsum(longest.values())

    @property
    def seconds(self) -> float:
        """Of all sessions together."""
        return self.earlier + perf_counter() - self.started

    def end(self) -> float:
        """The time of all sessions together, noted as well: what a later session finds is no less than what is said."""
        seconds = self.seconds
        self.note(now=True)
        return seconds

    def lines(self) -> Iterator[tuple[str, float]]:
        """The sessions under this setting and how long they have taken; lines that are something else say nothing."""
        try:
            lines = read_whole(self.log, follow=False).splitlines() if self.log else []
        except (OSError, ValueError):
            return
        for line in lines:
            try:
                said = json.loads(line)
                seconds = float(said["seconds"])
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue
            if said.get("setting") == self.setting and 0 <= seconds < math.inf:
                yield str(said.get("session")), seconds

    def note(self, *, now: bool = False) -> None:
        """Write down what this session has taken, unless that was done a moment ago."""
        if self.log is None or not (now or perf_counter() - self.noted > SECONDS_BETWEEN_NOTES):
            return
        self.noted = perf_counter()
        said = {"setting": self.setting, "session": self.name, "seconds": round(perf_counter() - self.started, 3)}
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            descriptor = os.open(self.log, flags, 0o666)
            try:
                os.write(descriptor, (json.dumps(said) + "\n").encode())  # one call, so that lines stay whole
            finally:
                os.close(descriptor)
        except OSError as error:
            self.log = None
            warnings.warn(f"how long the comparison takes cannot be noted: {error}", stacklevel=2)
