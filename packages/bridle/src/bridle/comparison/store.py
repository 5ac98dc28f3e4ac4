"""Finished runs on disk: one JSON file each, written whole or not at all, found again by what determines the run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

from bridle import __version__
from bridle.comparison.hashes import hash_json, seal, unseal
from bridle.comparison.sessions import Session
from bridle.comparison.stack_checkpoints import StackCheckpoints
from bridle.comparison.unusable_files import ASIDE, set_aside
from bridle.errors import InputError
from bridle.protocol import Protocol, Variant
from bridle.results import VERSION, Run, RunKey, metrics_of, to_plain
from bridle.training_rules import stop_regularizers
from bridle_audit.atomic_files import read_whole, remove_left_overs, write_once
from bridle_audit.wording import LONGEST_SHOWN, shortened

__all__ = ["NOWHERE", "RunStore", "stored_runs"]

LARGEST = 64 * 2**20  # bytes of one run's file: some half a million epochs


@dataclass(frozen=True)
class RunStore:
    """The runs under ``folder``/runs that belong to one setting; without a folder nothing is read or written.

    ``setting`` is everything but recipe, seed and own learning rate that determines a run: data, network, protocol,
    engine. A run trained by another version of bridle, or under another setting, is not found, and nothing is ever
    changed or deleted: several settings, processes and machines can share a folder. A file that has a run's name and is
    not what was written there is set aside, with a warning. ``measured`` says which metrics every run has on which
    split, where that is known. ``unwritable`` says why nothing can be written, where that is so: runs can be read then.
    """

    folder: Path | None
    setting: dict[str, Any]
    measured: Mapping[str, Sequence[str]] | None = None
    unwritable: str = ""

    @classmethod
    def at(
        cls, folder: Path | str, setting: dict[str, Any], measured: Mapping[str, Sequence[str]] | None = None
    ) -> Self:
        """The store in a folder, which is made now: that nothing can be written should not turn out after training.

        A folder with runs that can only be read is a store as well, until something is to be trained. Raises
        ``OSError`` where nothing can be written and no run is there.
        """
        runs = Path(folder) / "runs"
        try:
            check_folder(Path(folder))
            runs.mkdir(parents=True, exist_ok=True)
            for each in (Path(folder), runs):
                remove_left_overs(each)
                with TemporaryFile(dir=each) as file:
                    file.write(b"can be written")
        except OSError as error:
            if error.strerror is None:  # our own sentence
                raise
            name = str(folder) if len(str(folder)) < LONGEST_SHOWN else shortened(str(folder))
            problem = f"nothing can be written into {name} ({error.strerror}); give --out another folder"
            if not has_runs(runs):
                raise OSError(problem) from error
            return cls(Path(folder), setting, measured, problem)
        return cls(Path(folder), setting, measured)

    def with_setting(self, setting: dict[str, Any], measured: Mapping[str, Sequence[str]] | None = None) -> Self:
        """The store of another setting in the same folder, such as another length of training."""
        return replace(self, setting=setting, measured=measured)

    def determined_by(self, key: RunKey) -> dict[str, Any]:
        """Return all that determines a run: the setting, and what tells it from others of the same."""
        own = {name: each for name, each in asdict(key).items() if each is not None}
        return {"format": VERSION, "bridle": __version__, **self.setting, **own}

    def name(self, key: RunKey) -> str:
        """Return the name of a run's files: a hash of all that determines it."""
        return hash_json(self.determined_by(key))[:32]

    def path(self, folder: Path, key: RunKey) -> Path:
        """Return the path of a run's file."""
        return folder / "runs" / f"{self.name(key)}.json"

    def stacks(self, asked: Sequence[Variant], note: Callable[[], None]) -> StackCheckpoints | None:
        """Return the checkpoints of this setting's unfinished stacks; ``note`` is called when one is kept."""
        if self.folder is None or self.unwritable:
            return None
        folder = self.folder

        def is_finished(key: RunKey) -> bool:
            return self.path(folder, key).exists()

        return StackCheckpoints(folder, self.setting, asked, is_finished, note)

    def session(self, started: float) -> Session:
        """The time that this setting has been worked on, from a clock's ``started`` on and in earlier sessions.

        A comparison with several settings takes that of one of them, for all.
        """
        folder = self.folder / "sessions" if self.folder else None
        setting = hash_json({"bridle": __version__, **self.setting})[:16]
        return Session(folder, setting, started, keeps=not self.unwritable)

    def read(self, variant: Variant) -> Run | None:
        """The finished run, without its model; ``None`` where there is none, or one that had to be set aside."""
        if self.folder is None:
            return None
        path = self.path(self.folder, variant.key)
        try:
            return self.parse_run(unseal(read_whole(path, largest=LARGEST, follow=False)), variant)
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as problem:
            set_aside(self.folder, path, problem, "the run is trained again")
            return None

    def parse_run(self, saved: dict[str, Any], variant: Variant) -> Run:
        """The run that a file holds; ``ValueError`` where it is another one, or not as it was written."""
        if not {"key", "run"} <= set(saved):
            raise InputError("it is no run with its key, as this bridle writes them")
        asked = json.loads(json.dumps(self.determined_by(variant.key)))
        if saved["key"] != asked:
            raise InputError(f"it is a run of another {', '.join(differing_parts(saved['key'], asked))}")
        run = Run.from_json(saved["run"])
        self.check(run, variant)
        return run

    def check(self, run: Run, variant: Variant) -> None:
        """``ValueError`` for a run that is not one of this variant, trained to its end."""
        if run.key != variant.key:
            raise InputError("its run is of another recipe, seed or learning rate than its key")
        if self.measured is not None and metrics_of(run.scores) != {s: set(each) for s, each in self.measured.items()}:
            raise InputError("its scores are of other splits or metrics")
        points = self.count_points(run, variant)
        if points is not None and any(len(curve) != points for curve in run.curves.values()):
            raise InputError(f"its curves must have {points} points")

    def count_points(self, run: Run, variant: Variant) -> int | None:
        """Return how many points the curves of a run have; None where the setting does not tell."""
        epochs = self.protocol.epochs
        if epochs is None:
            return None
        last = run.stopped_at or epochs if run.diverged_at is None else run.diverged_at - 1
        return count_evaluations(self.protocol, last, bool(stop_regularizers(variant.recipe)))

    @cached_property
    def protocol(self) -> Protocol:
        """The protocol of the setting."""
        return Protocol(**self.setting["protocol"])

    def write(self, run: Run, variant: Variant) -> Run:
        """Save a finished run, with its key in plain words beside it.

        Returns the run that counts from now on: the one that another process has saved, if it was the first.
        """
        if self.folder is None:
            return run
        path = self.path(self.folder, variant.key)
        content = seal({"key": self.determined_by(variant.key), "run": run.to_json()})
        path.parent.mkdir(parents=True, exist_ok=True)
        if write_once(path, content):
            return run
        first = self.read(variant)
        if first is None:  # what stood there was no such run, and has been set aside
            write_once(path, content)
            return run
        same = to_plain(first.scores) == to_plain(run.scores)
        return replace(first, model=run.model if same else None)

    def check_writable(self) -> None:
        """``OSError`` where nothing can be written."""
        if self.unwritable:
            raise OSError(self.unwritable)


@cache
def count_evaluations(protocol: Protocol, last: int, stops_early: bool) -> int:
    """Return after how many of the epochs up to the last scores are taken."""
    return sum(protocol.evaluates_after(epoch, stops_early=stops_early) for epoch in range(1, last + 1))


def stored_runs(folder: Path) -> Iterator[tuple[dict[str, Any], Run]]:
    """Yield every finished run in a study's folder, of whatever setting, with its key; other files are passed over."""
    for path in sorted((folder / "runs").glob("*.json")):
        try:
            saved = unseal(read_whole(path, largest=LARGEST, follow=False))
            yield saved["key"], Run.from_json(saved["run"])
        except (ValueError, KeyError, OSError):
            continue


def has_runs(folder: Path) -> bool:
    """Return True where there is a file of a run."""
    try:
        return any(folder.glob("*.json"))
    except OSError:
        return False


def check_folder(folder: Path) -> None:
    """Raise ``NotADirectoryError`` where a file stands in the place of the folder, or of one that it holds."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"results go into a folder, and {folder} is a file; give --out another name")
    for each in (folder / name for name in ("stacks", "sessions", "models", ASIDE)):
        if os.path.lexists(each) and not each.is_dir():
            raise NotADirectoryError(f"{each} is no folder, and bridle keeps files there; give --out another folder")


def differing_parts(key: object, asked: dict[str, Any]) -> list[str]:
    """The parts of a key that are not as asked."""
    if not isinstance(key, dict):
        return ["kind"]
    return [name for name in {**asked, **key} if key.get(name) != asked.get(name)]


NOWHERE = RunStore(None, {})  # keeps nothing
