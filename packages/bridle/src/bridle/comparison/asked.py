"""What was asked of a comparison, beside its runs: by it one goes on, or repeats it, without saying it again."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from bridle.comparison.hashes import seal, unseal
from bridle.comparison.provenance import provenance
from bridle.data import Data, load
from bridle.errors import InputError
from bridle.json_decoding import decode, short_repr
from bridle.metric_info import METRICS
from bridle.networks import MLP, DescribedNetwork, Network
from bridle.protocol import Protocol
from bridle.recipe import Recipe
from bridle_audit.atomic_files import read_whole, write_whole

__all__ = ["Asked", "folder_of", "how_to_go_on", "read_asked", "write_asked"]

NAME = "asked.json"
VERSION = 1
LARGEST = 2**24  # bytes
OWN_CODE = "bridle."  # where the regularizers live whose text says all of them


@dataclass(frozen=True)
class Asked:
    """All that a comparison was asked, in plain words; ``made_in_python`` names what these do not tell."""

    data: dict[str, Any]  # Data.source: what `load` was given; empty where the data were made in Python
    fingerprint: str  # of the data
    network: str
    recipes: list[str]
    seeds: list[int]
    protocol: dict[str, Any]  # with the precision that was taken, and the length open where it was
    engine: str = "torch"
    metric: str | None = None
    tuned: int | None = None
    margin: float | None = None
    references: bool = True
    keep_models: str = "best"
    made_in_python: list[str] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)  # by which versions, on which machine
    absolute_path: str = ""  # of the data, where they are a file or a folder
    version: int = VERSION

    @classmethod
    def of(
        cls,
        data: Data,
        recipes: Sequence[Recipe],
        seeds: Sequence[int],
        network: Network,
        protocol: Protocol,
        **rest: Any,
    ) -> Self:
        """Describe a comparison; ``rest`` are the other fields, by name."""
        in_words = {
            "data": bool(data.source),
            "network": isinstance(network, MLP | DescribedNetwork),
            "recipes": all(type(unit).__module__.startswith(OWN_CODE) for recipe in recipes for unit in recipe),
            "metric": rest.get("metric") is None or rest["metric"] in METRICS,
        }
        made = provenance()
        return cls(
            data={name: absolute(each) if name == "data_dir" else each for name, each in data.source.items()},
            fingerprint=data.fingerprint,
            network=str(network),
            recipes=[str(recipe) for recipe in recipes],
            seeds=list(seeds),
            protocol=protocol.to_json(),
            made_in_python=[name for name, told in in_words.items() if not told],
            made={name: made[name] for name in ("bridle", "python", "versions", "machine")},
            absolute_path=absolute(data.source["path"]) if "path" in data.source else "",
            **rest,
        )

    def to_json(self) -> dict[str, Any]:
        """The content of asked.json, but for its checksum."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read :meth:`to_json` back; ``ValueError`` for another version, and for what does not fit it."""
        if data.get("version") != VERSION:
            raise InputError(f"it has version {short_repr(data.get('version'))}, and this bridle reads {VERSION}")
        return decode(cls, {name: each for name, each in data.items() if name != "checksum"})

    def check_in_words(self, folder: Path) -> None:
        """``ValueError`` where some of it was made in Python, and nobody but its maker can give it again."""
        if self.made_in_python:
            parts = listed(self.made_in_python)
            raise InputError(
                f"{folder} was made by a program of your own, which alone has its {parts}: call bridle.compare again "
                f"with the same arguments and out={str(folder)!r}, and it goes on from what is kept"
            )

    def without_place(self) -> Asked:
        """What is asked, wherever that is."""
        return replace(self, made={"bridle": self.made.get("bridle")}, absolute_path="")

    def load_data(self, path: str | None = None) -> Data:
        """Load the data again, from another ``path`` if one is given; ``ValueError`` where they are others."""
        said = dict(self.data)
        given = str(said.pop("path"))
        moved = self.absolute_path and not Path(given).expanduser().exists()
        place = path or (self.absolute_path if moved else given)
        if path is None and moved and not Path(place).exists():
            raise InputError(f"the data were {place}, which is not there any more; say with --data where they are now")
        try:
            data = load(place, **said)
        except TypeError as error:
            raise InputError(f"{NAME} says of the data what this bridle does not know: {error}") from error
        if data.fingerprint != self.fingerprint:
            raise InputError(
                f"the data of {place} are not those that were compared: their content differs, or bridle "
                f"{self.made.get('bridle', '')} read them otherwise; give those with --data, or compare anew"
            )
        return data

    def protocol_again(self) -> Protocol:
        """The protocol; ``ValueError`` where it is none that this bridle knows."""
        try:
            return Protocol(**self.protocol)
        except TypeError as error:
            raise InputError(f"{NAME} has a protocol that this bridle does not know: {error}") from error


def absolute(path: str) -> str:
    """The path of a file or a folder from wherever one is; "" where there is none, as of a data set known by name."""
    place = Path(path).expanduser()
    return str(place.absolute()) if place.exists() else ""


def write_asked(folder: Path | str, asked: Asked) -> None:
    """Write asked.json into a study's folder, which is there; where it says the same already it is left alone.

    Where nothing can be written it stays as it is, with a warning if it asks for something else.
    """
    before = asked_before(folder)
    if before == asked:
        return
    try:
        write_whole(Path(folder) / NAME, seal(asked.to_json()))
    except OSError as error:
        if before is None or before.without_place() != asked.without_place():
            warnings.warn(f"what is compared cannot be noted in {folder}: {error.strerror}", stacklevel=2)


def asked_before(folder: Path | str) -> Asked | None:
    """What was asked before in a folder, if that can be read."""
    try:
        return read_asked(folder)
    except InputError:
        return None


def read_asked(folder: Path | str) -> Asked:
    """Read what was asked of the comparison in a folder, or beside its study.json; ``ValueError`` if it is not told."""
    place = folder_of(folder)
    check_folder(place)
    try:
        return Asked.from_json(unseal(read_whole(place / NAME, largest=LARGEST, follow=False)))
    except FileNotFoundError as error:
        raise InputError(
            f"there is no {NAME} in {place}, which says what was compared; `bridle compare --out {place}` writes it, "
            "and with the same options goes on from the runs that are there"
        ) from error
    except (ValueError, OSError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"{place / NAME} is not what bridle wrote ({problem}); `bridle compare` with the same options and --out "
            f"{place} goes on from the runs that are there"
        ) from error


def check_folder(place: Path) -> None:
    """``ValueError`` where there is no folder in which a comparison was made."""
    if place.is_dir():
        return
    if os.path.lexists(place):
        raise InputError(f"a study is a folder, as `bridle compare --out` makes it, and {place} is none")
    raise InputError(f"there is no folder {place}; give the one that `bridle compare --out` made")


def folder_of(study: Path | str) -> Path:
    """The folder of a study, of which the folder or the file in it is given."""
    path = Path(study)
    return path.parent if path.suffix == ".json" and not path.is_dir() else path


def how_to_go_on(folder: Path | str) -> str:
    """The end of a sentence that says how an interrupted comparison goes on."""
    asked = asked_before(folder)
    if asked is None:
        return "the same command goes on from there"
    if asked.made_in_python:
        return f"the same call of bridle.compare goes on from there; its {listed(asked.made_in_python)} are in Python"
    return f"`bridle resume {shlex.quote(str(folder))}` goes on from there"


def listed(names: Sequence[str]) -> str:
    """Names as one says them: ``data and network``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
