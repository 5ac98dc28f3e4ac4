"""Finished runs on disk: one JSON file each, written whole or not at all, found again by what determines the run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bridle import __version__
from bridle.protocol import Variant
from bridle.results import VERSION, Run, write_whole


@dataclass(frozen=True)
class Store:
    """The runs under ``folder``/runs that belong to one setting; without a folder nothing is read or written.

    ``setting`` is everything but recipe and seed that determines a run: data, network, protocol, engine. A run trained
    by another version of bridle, or under another setting, is not found, and nothing is ever deleted: several settings
    can share a folder.
    """

    folder: Path | None
    setting: dict[str, Any]

    @classmethod
    def at(cls, folder: Path | str, setting: dict[str, Any]) -> Self:
        """The store in a folder, which is made now: that it cannot be made should not turn out after the training."""
        if Path(folder).exists() and not Path(folder).is_dir():
            raise NotADirectoryError(f"results go into a folder, and {folder} is a file; give --out another name")
        (Path(folder) / "runs").mkdir(parents=True, exist_ok=True)
        return cls(Path(folder), setting)

    def key(self, variant: Variant) -> dict[str, Any]:
        """What determines the run."""
        run = {"recipe": str(variant.recipe), "seed": variant.seed}
        return {"format": VERSION, "bridle": __version__, **self.setting, **run}

    def path(self, folder: Path, variant: Variant) -> Path:
        """Where the run's file is, or will be."""
        text = json.dumps(self.key(variant), sort_keys=True)
        return folder / "runs" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"

    def read(self, variant: Variant) -> Run | None:
        """The finished run, without its model; ``None`` where there is none, or none that can be read."""
        if self.folder is None:
            return None
        try:
            saved = json.loads(self.path(self.folder, variant).read_text(encoding="utf-8"))
            return Run.from_json(saved["run"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):  # somebody changed the file; it is trained again
            return None

    def write(self, run: Run, variant: Variant) -> None:
        """Save a finished run, with its key in plain words beside it."""
        if self.folder is not None:
            text = json.dumps({"key": self.key(variant), "run": run.to_json()}, allow_nan=False)
            write_whole(self.path(self.folder, variant), text + "\n")


NOWHERE = Store(None, {})  # keeps nothing
