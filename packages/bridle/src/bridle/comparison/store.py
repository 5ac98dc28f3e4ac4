"""Finished runs on disk: one JSON file each, written whole or not at all, found again by what determines the run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

from bridle import __version__
from bridle.comparison.hashes import hash_json
from bridle.comparison.sessions import Session
from bridle.comparison.stack_checkpoints import StackCheckpoints
from bridle.comparison.unusable_files import ASIDE, set_aside
from bridle.errors import InputError
from bridle.json_decoding import DEEPEST, check_json, parse
from bridle.protocol import Variant
from bridle.results import VERSION, Run, metrics_of
from bridle_audit.atomic_files import read_whole, remove_left_overs, write_whole
from bridle_audit.wording import LONGEST_SHOWN, shortened

__all__ = ["NOWHERE", "RunStore"]

LARGEST = 64 * 2**20  # bytes of one run's file: some half a million epochs


@dataclass(frozen=True)
class RunStore:
    """The runs under ``folder``/runs that belong to one setting; without a folder nothing is read or written.

    ``setting`` is everything but recipe and seed that determines a run: data, network, protocol, engine. A run trained
    by another version of bridle, or under another setting, is not found, and nothing is ever deleted: several settings
    can share a folder. A file that has a run's name and is not what was written there is set aside, with a warning.
    ``measured`` says which metrics every run has on which split, where that is known.
    """

    folder: Path | None
    setting: dict[str, Any]
    measured: Mapping[str, Sequence[str]] | None = None

    @classmethod
    def at(
        cls, folder: Path | str, setting: dict[str, Any], measured: Mapping[str, Sequence[str]] | None = None
    ) -> Self:
        """The store in a folder, which is made now: that nothing can be written should not turn out after training."""
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
            raise OSError(problem) from error
        return cls(Path(folder), setting, measured)

    def key(self, recipe: str, seed: int) -> dict[str, Any]:
        """Return the key of a run: all that determines it."""
        return {"format": VERSION, "bridle": __version__, **self.setting, "recipe": recipe, "seed": seed}

    def path(self, folder: Path, recipe: str, seed: int) -> Path:
        """Return the path of a run's file."""
        return folder / "runs" / f"{hash_json(self.key(recipe, seed))[:32]}.json"

    def stacks(self, asked: Sequence[Variant], note: Callable[[], None]) -> StackCheckpoints | None:
        """Return the checkpoints of this setting's unfinished stacks; ``note`` is called when one is kept."""
        if self.folder is None:
            return None
        folder = self.folder
        return StackCheckpoints(folder, self.setting, asked, lambda *run: self.path(folder, *run).exists(), note)

    def session(self, started: float) -> Session:
        """The time that this setting has been worked on, from a clock's ``started`` on and in earlier sessions."""
        log = self.folder / "sessions.jsonl" if self.folder else None
        return Session(log, hash_json({"bridle": __version__, **self.setting})[:16], started)

    def read(self, variant: Variant) -> Run | None:
        """The finished run, without its model; ``None`` where there is none, or one that had to be set aside."""
        if self.folder is None:
            return None
        path = self.path(self.folder, str(variant.recipe), variant.seed)
        try:
            return self.parse_run(parse(read_whole(path, largest=LARGEST, follow=False)), variant)
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as problem:
            set_aside(self.folder, path, problem, "the run is trained again")
            return None

    def parse_run(self, saved: Any, variant: Variant) -> Run:
        """The run that a file holds; ``ValueError`` where it is another one, or not as it was written."""
        if not isinstance(saved, dict) or not {"key", "run", "checksum"} <= set(saved):
            raise InputError("it is no run with a checksum, as this bridle writes them")
        check_json(saved, "it", DEEPEST)
        asked = json.loads(json.dumps(self.key(str(variant.recipe), variant.seed)))
        if saved["key"] != asked:
            raise InputError(f"it is a run of another {', '.join(differing_parts(saved['key'], asked))}")
        if saved["checksum"] != hash_json([saved["key"], saved["run"]]):
            raise InputError("its content is not what was written, by its checksum")
        run = Run.from_json(saved["run"])
        self.check(run, variant)
        return run

    def check(self, run: Run, variant: Variant) -> None:
        """``ValueError`` for a run that is not one of this variant, trained to its end."""
        if (run.recipe, run.seed) != (str(variant.recipe), variant.seed):
            raise InputError("its run is of another recipe or seed than its key")
        if self.measured is not None and metrics_of(run.scores) != {s: set(each) for s, each in self.measured.items()}:
            raise InputError("its scores are of other splits or metrics")
        epochs = self.setting["protocol"].get("epochs")
        if run.diverged_at is not None:
            epochs = run.diverged_at - 1
        elif run.stopped_at is not None:
            epochs = run.stopped_at
        if epochs is not None and any(len(points) != epochs for points in run.curves.values()):
            raise InputError(f"its curves must have {epochs} points")

    def write(self, run: Run, variant: Variant) -> None:
        """Save a finished run, with its key in plain words beside it."""
        if self.folder is not None:
            key, plain = self.key(str(variant.recipe), variant.seed), run.to_json()
            text = json.dumps({"checksum": hash_json([key, plain]), "key": key, "run": plain}, allow_nan=False)
            (self.folder / "runs").mkdir(parents=True, exist_ok=True)
            write_whole(self.path(self.folder, str(variant.recipe), variant.seed), text + "\n")


def check_folder(folder: Path) -> None:
    """Raise ``NotADirectoryError`` where a file stands in the place of the folder, or of one that it holds."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"results go into a folder, and {folder} is a file; give --out another name")
    for each in (folder / "stacks", folder / ASIDE):
        if os.path.lexists(each) and not each.is_dir():
            raise NotADirectoryError(f"{each} is no folder, and bridle keeps files there; give --out another folder")


def differing_parts(key: object, asked: dict[str, Any]) -> list[str]:
    """The parts of a key that are not as asked."""
    if not isinstance(key, dict):
        return ["kind"]
    return [name for name in {**asked, **key} if key.get(name) != asked.get(name)]


NOWHERE = RunStore(None, {})  # keeps nothing
