"""The states of a comparison's unfinished stacks on disk: one file for each.

When its runs are finished only the names of its members are left of a stack, so that a run that is lost later can be
trained again with the same neighbours.

A file has the checksums of the two parts that follow; a line of JSON that says whose state it is; and the state, which
only the engine reads.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from bridle import __version__
from bridle.comparison.hashes import checksum, hash_json
from bridle.comparison.unusable_files import set_aside
from bridle.engine.checkpointing import UnfinishedStack
from bridle.errors import InputError
from bridle.json_decoding import decode, parse
from bridle.protocol import Variant
from bridle.results import RunKey
from bridle_audit.atomic_files import open_bounded, remove_left_overs, write_whole

__all__ = ["StackCheckpoints"]

FORMAT = 2
LARGEST = 2 * 2**30  # bytes; a stack is made so that it needs no more, activations and gradients included
LONGEST_LINE = 2**24


@dataclass(frozen=True)
class CheckpointHeader:
    """The description of a state at the head of its file."""

    key: dict[str, Any]  # what determines it beside its members
    members: list[RunKey]  # those that the stack began with
    training: list[RunKey]  # those that are still in training
    epoch: int  # after which it was saved; 0: there is no state, as the stack is only planned, or is finished
    steps: int  # of single runs that those in training have made


@dataclass
class StackCheckpoints:
    """The states under ``folder``/stacks that belong to one setting, for a comparison of the variants ``asked``.

    A stack is found again by its members, so that a comparison that goes on has the stacks that it began with: what a
    run is stacked with can change its last digits. They are looked for at once, so that what another process changes
    meanwhile is no matter: a stack that it has finished is then trained once more, and its runs come out the same.
    """

    folder: Path
    setting: dict[str, Any]
    asked: Sequence[Variant]
    is_finished: Callable[[RunKey], bool]  # whether this run is there
    note: Callable[[], None]  # called whenever training has been kept
    kept: int = 0  # steps of single runs in the states that were written or read last
    found: list[CheckpointHeader] = field(init=False)

    def __post_init__(self) -> None:
        self.found = self.headers()

    def unfinished(self, missing: Collection[Variant]) -> list[UnfinishedStack]:
        """Those that train some of the missing, the most advanced first; none of these twice."""
        known = {variant.key: variant for variant in self.asked}
        begun: list[UnfinishedStack] = []
        covered: set[Variant] = set()
        for header in self.found:
            if all(each in known for each in header.members):
                trains = {known[each] for each in header.training}
                if trains & set(missing) and not trains & covered:
                    covered |= trains
                    begun.append(UnfinishedStack([known[each] for each in header.members], trains))
        return begun

    def headers(self) -> list[CheckpointHeader]:
        """Read the headers of this setting's files, the most advanced first; files of finished stacks are emptied."""
        place = self.folder / "stacks"
        if not place.is_dir():
            return []
        remove_left_overs(place)
        found = []
        for path in sorted(place.glob(f"{short_hash(self.key)}-*.state")):
            try:
                with open_bounded(path, largest=LARGEST, follow=False) as file:
                    header, _ = self.header(file, path)
                if header.epoch and all(map(self.is_finished, header.training)):
                    header = self.write(header.members, header.members, 0, 0, b"")
                found.append(header)
            except FileNotFoundError:  # another process has finished it
                continue
            except (ValueError, OSError) as problem:
                self.refuse_file(path, problem)
        return sorted(found, key=lambda each: -each.epoch)

    def header(self, file: BinaryIO, path: Path) -> tuple[CheckpointHeader, str]:
        """Read a file's header and the checksum of its state; ``ValueError`` for what is no such file."""
        sums = file.readline(LONGEST_LINE).decode("ascii", "replace").split()
        line = file.readline(LONGEST_LINE)
        if len(sums) != 2 or sums[0] != checksum(line):
            raise InputError("it does not begin as it was written, by its checksum")
        header = decode(CheckpointHeader, parse(line))
        if header.key != json.loads(json.dumps(self.key)) or self.path(header.members) != path:
            raise InputError("it is the state of another comparison, or of other runs")
        return header, sums[1]

    @property
    def key(self) -> dict[str, Any]:
        """The settings that determine a state, beside its members."""
        return {"format": FORMAT, "bridle": __version__, **self.setting}

    def path(self, members: Sequence[RunKey]) -> Path:
        """Return the path of the state of the stack with these members."""
        return self.folder / "stacks" / f"{short_hash(self.key)}-{short_hash([asdict(each) for each in members])}.state"

    def load(self, members: Sequence[Variant]) -> bytes:
        """The state of a stack; nothing where only its members are kept."""
        path = self.path(keys_of(members))
        try:
            with open_bounded(path, largest=LARGEST, follow=False) as file:
                header, sum_of_state = self.header(file, path)
                state = file.read()
            if checksum(state) != sum_of_state:
                raise InputError("its content is not what was written, by its checksum")
        except FileNotFoundError:
            return b""
        except (ValueError, OSError) as problem:
            self.refuse_file(path, problem)
            return b""
        self.kept = header.steps
        return state

    def save(
        self, members: Sequence[Variant], training: Sequence[Variant], epoch: int, steps: int, state: bytes
    ) -> None:
        """Keep a state: of which members some are still in training, after how many epochs and steps of single runs."""
        try:
            self.write(keys_of(members), keys_of(training), epoch, steps, state)
        except OSError as error:
            warnings.warn(f"the state of unfinished runs cannot be kept in {self.folder}: {error}", stacklevel=2)
            return
        self.kept = steps
        if steps:
            self.note()

    def write(
        self, members: list[RunKey], training: list[RunKey], epoch: int, steps: int, state: bytes
    ) -> CheckpointHeader:
        """Write a file; returns what it says of the state."""
        header = CheckpointHeader(self.key, members, training, epoch, steps)
        line = json.dumps(asdict(header)).encode() + b"\n"
        sums = f"{checksum(line)} {checksum(state)}\n".encode()
        (self.folder / "stacks").mkdir(exist_ok=True)
        write_whole(self.path(members), b"".join([sums, line, state]))
        return header

    def refuse(self, members: Sequence[Variant], problem: Exception) -> None:
        """Set a state aside that the engine cannot go on from."""
        self.refuse_file(self.path(keys_of(members)), problem)

    def refuse_file(self, path: Path, problem: Exception) -> None:
        """Set a file aside that is not what its name says."""
        set_aside(self.folder, path, problem, "its runs are trained from the start")

    def drop(self, members: Sequence[Variant]) -> None:
        """Forget the state of a stack whose runs are finished, all but its members."""
        self.save(members, members, 0, 0, b"")


def keys_of(variants: Sequence[Variant]) -> list[RunKey]:
    """Return the keys of the runs of variants."""
    return [variant.key for variant in variants]


def short_hash(content: object) -> str:
    """A short name for plain data."""
    return hash_json(content)[:16]
