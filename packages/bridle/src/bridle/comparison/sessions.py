"""The time that a study has taken, over all its sessions."""

from __future__ import annotations

import json
import math
import secrets
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from bridle_audit.atomic_files import read_whole, write_whole

__all__ = ["Session"]

SECONDS_BETWEEN_NOTES = 5.0
LARGEST = 1000  # bytes of a session's file


@dataclass
class Session:
    """The time since ``started``, and that of earlier sessions under the same ``setting`` (a hash).

    A session has a file of its own in ``folder``, so that sessions on several machines do not write to one. What it has
    taken so far is written there now and then: if it is killed, the time since is not counted. Without a folder there
    is this session alone.
    """

    folder: Path | None
    setting: str
    started: float = field(default_factory=perf_counter)
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    keeps: bool = True  # False where nothing can be written
    noted: float = -math.inf
    earlier: float = field(init=False)

    def __post_init__(self) -> None:
        self.earlier = math.fsum(self.earlier_seconds())

    @property
    def seconds(self) -> float:
        """Of all sessions together."""
        return self.earlier + perf_counter() - self.started

    def end(self) -> float:
        """The time of all sessions together, noted as well: what a later session finds is no less than what is said."""
        seconds = self.seconds
        self.note(now=True)
        return seconds

    def earlier_seconds(self) -> Iterator[float]:
        """How long each session under this setting has taken; files that are something else say nothing."""
        for path in self.folder.glob(f"{self.setting}-*.json") if self.folder else ():
            try:
                seconds = float(json.loads(read_whole(path, largest=LARGEST, follow=False))["seconds"])
            except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue
            if 0 <= seconds < math.inf:
                yield seconds

    def note(self, *, now: bool = False) -> None:
        """Write down what this session has taken, unless that was done a moment ago."""
        if self.folder is None or not self.keeps or not (now or perf_counter() - self.noted > SECONDS_BETWEEN_NOTES):
            return
        self.noted = perf_counter()
        said = {"seconds": round(perf_counter() - self.started, 3)}
        try:
            self.folder.mkdir(exist_ok=True)
            write_whole(self.folder / f"{self.setting}-{self.name}.json", json.dumps(said) + "\n")
        except OSError as error:
            self.keeps = False
            warnings.warn(f"how long the comparison takes cannot be noted: {error}", stacklevel=2)
