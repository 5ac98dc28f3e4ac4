"""The idx format of MNIST: a magic number (which says type and axes), the sizes, then the numbers, all big-endian."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bridle.data.dataset import Data
from bridle.data.files import content
from bridle.data.own_test_rows import drawn_anew
from bridle.data.splits import DEFAULT, Splits
from bridle.errors import InputError
from bridle_audit.wording import counted

__all__ = ["ROLES", "expected_length", "find_idx", "idx_data", "read_contents", "read_idx_folder"]

ROLES = ("train-images", "train-labels", "t10k-images", "t10k-labels")
AXES = {"images": 3, "labels": 1}
UNSIGNED_BYTE = 8  # the format's code for the type that MNIST's files use
TYPES = {UNSIGNED_BYTE: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
QMNIST_COLUMNS = 8  # of its labels: the class, then where the digit is from
VALID_SHARE = 6  # the last sixth of the training file is valid: MNIST's last 10,000, as in the notebook's pickle

# MNIST's names, with a joint of any kind, and with what may stand in front: QMNIST's, EMNIST's.
NAME = re.compile(r"(.*?)(train|t10k|test)-(images|labels)[-.]idx\d-(?:u?byte|short|int|float|double)(\.gz)?")


def find_idx(folder: Path) -> dict[str, Path]:
    """The four files of ``folder`` by role, plain or .gz; fewer where not all of one data set are there."""
    found = sets_in(folder)
    return found.get("") or (next(iter(found.values())) if len(found) == 1 else {})


def sets_in(folder: Path) -> dict[str, dict[str, Path]]:
    """The files of ``folder`` by what stands in front of MNIST's names, and by role.

    Each file may lie in a folder of its own name, as some archives are unpacked.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in entries(folder):
        match = NAME.fullmatch(path.name)
        if match:
            role = f"{match[2].replace('test', 't10k')}-{match[3]}"
            inside = [inner for inner in entries(path) if NAME.fullmatch(inner.name)]
            found.setdefault(match[1], {}).setdefault(role, inside[0] if inside else path)
    return found


def entries(folder: Path) -> list[Path]:
    """Return what lies in ``folder``, plain before packed files; nothing where it is none."""
    if not folder.is_dir():
        return []
    try:
        return sorted(folder.iterdir(), key=lambda path: (path.name.endswith(".gz"), path.name))
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}") from error


def read_contents(folder: Path) -> dict[str, bytes]:
    """The uncompressed content of the four files by role; ``ValueError`` naming the files that are not there."""
    found, sets = find_idx(folder), sets_in(folder)
    if not found and sets:
        raise InputError(
            f"{folder} holds several data sets, with names in {', '.join(f'{each}...' for each in sorted(sets))}; "
            "put the four files of one into a folder of their own"
        )
    absent = [f"{role}-idx{AXES[role.split('-')[1]]}-ubyte" for role in ROLES if role not in found]
    if absent:
        raise InputError(
            f"{folder} is not a whole data set in MNIST's layout: it lacks {', '.join(absent)} (plain or .gz)"
        )
    return {role: content(found[role], expected_length) for role in ROLES}


class Header(NamedTuple):
    """The header of an idx file: all that stands in front of the numbers."""

    kind: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def start(self) -> int:
        """The offset of the first number."""
        return 4 + 4 * len(self.shape)

    @property
    def length(self) -> int:
        """The length of the whole file in bytes."""
        return self.start + math.prod(self.shape) * self.kind.itemsize


def header(head: bytes) -> Header | None:
    """The header that a file with these first bytes has; None where it has none, or not a whole one."""
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or len(head) < 4 + 4 * head[3]:
        return None
    return Header(np.dtype(TYPES[head[2]]), struct.unpack_from(f">{head[3]}I", head, 4))


def expected_length(head: bytes) -> int:
    """Return how many bytes a file has by its first ones; as many as these where they are no header."""
    found = header(head)
    return found.length if found else len(head)


def parse_idx(data: bytes, axes: int, source: str) -> np.ndarray:
    """The array of an idx file: images, for which ``axes`` is 3 but 2 and 4 will do, or labels: 1, or 2 for QMNIST's.

    ``source`` is the name used in errors. Raises ``ValueError`` for a wrong magic number or a wrong length (expected,
    got).
    """
    likewise = range(2, 5) if axes == AXES["images"] else range(1, 3)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES or data[3] not in likewise:
        raise InputError(
            f"{source} is not an idx file with {axes} ax{'e' if axes > 1 else 'i'}s: expected magic "
            f"number 0x{bytes([0, 0, UNSIGNED_BYTE, axes]).hex()}, got 0x{data[:4].hex()} (the third byte may also say "
            f"another type, the fourth {likewise[0]} to {likewise[-1]} axes)"
        )
    found = header(data)
    if found is None:
        raise InputError(f"{source} is truncated: its head has {4 + 4 * data[3]} bytes, the file {len(data)}")
    if len(data) != found.length:
        state = "truncated" if len(data) < found.length else "longer than its head says"
        more = " or more" if len(data) > found.length else ""
        raise InputError(
            f"{source} is {state}: expected {found.length} bytes for shape {found.shape}, got {len(data)}{more}"
        )
    if 0 in found.shape:
        raise InputError(f"{source} is empty: its head says the shape {found.shape}")
    return np.frombuffer(data, dtype=found.kind, offset=found.start).reshape(found.shape)


def pair(contents: dict[str, bytes], part: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """x of shape (rows, pixels), float32 = byte / 256 where pixels are bytes and else as they are, and y (rows,)."""
    images = parse_idx(contents[f"{part}-images"], AXES["images"], f"{part}-images in {folder}")
    labels = parse_idx(contents[f"{part}-labels"], AXES["labels"], f"{part}-labels in {folder}")
    if labels.ndim > 1:
        labels = class_column(labels, f"{part}-labels in {folder}")
    if len(images) != len(labels):
        raise InputError(
            f"{part}-images in {folder} has {counted('image', len(images))}, but {part}-labels "
            f"{counted('label', len(labels))}"
        )
    x = images.reshape(len(images), math.prod(images.shape[1:]))
    return x * np.float32(1 / 256) if x.dtype == np.uint8 else x, labels


def class_column(labels: np.ndarray, source: str) -> np.ndarray:
    """The classes among QMNIST's eight columns, which are the first; ``ValueError`` for labels of another width."""
    if labels.shape[1] != 1 and (labels.shape[1] != QMNIST_COLUMNS or labels.dtype.kind != "i"):
        raise InputError(
            f"{source} has the shape {labels.shape} and the type {labels.dtype.name}; expected one label per image, or "
            f"QMNIST's {QMNIST_COLUMNS} columns of whole numbers, of which the first is the class"
        )
    return labels[:, 0]


def idx_data(  # noqa: PLR0917  (the parts of a data set)
    contents: dict[str, bytes],
    folder: Path,
    name: str,
    task: str | None = None,
    classes: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    splits: Splits = DEFAULT,
) -> Data:
    """The data set of four contents; valid is the last sixth of the training file, in file order, test the t10k files.

    Another split than the default one draws valid anew. ``folder`` is the name used in errors.
    """
    x, y = pair(contents, "train", folder)
    x_test, y_test = pair(contents, "t10k", folder)
    if len(x) < VALID_SHARE:
        raise InputError(
            f"train-images in {folder} has {counted('image', len(x))}; {VALID_SHARE} are the least, of which one "
            "is for valid"
        )
    cut = len(x) - len(x) // VALID_SHARE
    named = () if task == "regression" else classes
    arrays = (x[:cut], y[:cut], x[cut:], y[cut:], x_test, y_test)
    said = (*notes, *remarks(contents))
    data = Data(*arrays, task=task, name=name, target="label", classes=named, notes=said)
    return drawn_anew(data, splits, said)


def remarks(contents: dict[str, bytes]) -> list[str]:
    """Return what was decided about files that differ from MNIST's in their type."""
    images, labels = header(contents["train-images"]), header(contents["train-labels"])
    said = []
    if images and images.kind != np.uint8:
        said.append(f"the images are of type {images.kind.name} and taken as they are; only bytes are divided by 256")
    if labels and labels.shape[1:] == (QMNIST_COLUMNS,):
        said.append(f"the labels have {QMNIST_COLUMNS} columns, as QMNIST's; the first is taken for the class")
    return said


def read_idx_folder(folder: Path, name: str, task: str | None = None, splits: Splits = DEFAULT) -> Data:
    """The data set in ``folder``, any four files in MNIST's layout."""
    return idx_data(read_contents(folder), folder, name, task, splits=splits)
