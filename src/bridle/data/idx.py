"""The idx format of MNIST: a magic number, the sizes big-endian, then one byte per pixel or label."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from bridle.data.dataset import Data
from bridle.data.files import content

ROLES = ("train-images", "train-labels", "t10k-images", "t10k-labels")
AXES = {"images": 3, "labels": 1}
UNSIGNED_BYTE = 8  # the format's code for the only type that these files use
VALID_SHARE = 6  # the last sixth of the training file is valid: MNIST's last 10,000, as in the notebook's pickle


def find_idx(folder: Path) -> dict[str, Path]:
    """The four files of ``folder`` by role, plain or .gz; fewer where some are not there."""
    found = {}
    for role in ROLES:
        kind = f"idx{AXES[role.split('-')[1]]}-ubyte"
        spellings = [f"{role}{joint}{kind}{suffix}" for joint in "-." for suffix in ("", ".gz")]
        present = [folder / spelling for spelling in spellings if (folder / spelling).is_file()]
        if present:
            found[role] = present[0]
    return found


def read_contents(folder: Path) -> dict[str, bytes]:
    """The uncompressed content of the four files by role; ``ValueError`` naming the files that are not there."""
    found = find_idx(folder)
    absent = [f"{role}-idx{AXES[role.split('-')[1]]}-ubyte" for role in ROLES if role not in found]
    if absent:
        raise ValueError(
            f"{folder} is not a whole data set in MNIST's layout: it lacks {', '.join(absent)} (plain or .gz)"
        )
    return {role: content(path) for role, path in found.items()}


def parse_idx(data: bytes, axes: int, source: str) -> np.ndarray:
    """The uint8 array of an idx file with this many axes; ``source`` is the name used in errors.

    Raises ``ValueError`` for a wrong magic number or a wrong length (expected, got).
    """
    magic = struct.pack(">BBBB", 0, 0, UNSIGNED_BYTE, axes)
    if data[:4] != magic:
        raise ValueError(
            f"{source} is not an idx file of bytes with {axes} ax{'e' if axes > 1 else 'i'}s: expected magic "
            f"number 0x{magic.hex()}, got 0x{data[:4].hex()}"
        )
    head = 4 + 4 * axes
    if len(data) < head:
        raise ValueError(f"{source} is truncated: its head has {head} bytes, the file {len(data)}")
    shape = struct.unpack(f">{axes}I", data[4:head])
    expected = head + math.prod(shape)
    if len(data) != expected:
        state = "truncated" if len(data) < expected else "longer than its head says"
        raise ValueError(f"{source} is {state}: expected {expected} bytes for shape {shape}, got {len(data)}")
    return np.frombuffer(data, dtype=np.uint8, offset=head).reshape(shape)


def pair(contents: dict[str, bytes], part: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """x, float32 = byte / 256 of shape (rows, pixels), and y, uint8 of shape (rows,)."""
    images = parse_idx(contents[f"{part}-images"], AXES["images"], f"{part}-images in {folder}")
    labels = parse_idx(contents[f"{part}-labels"], AXES["labels"], f"{part}-labels in {folder}")
    if len(images) != len(labels):
        raise ValueError(f"{part}-images in {folder} has {len(images)} images, but {part}-labels {len(labels)} labels")
    return images.reshape(len(images), math.prod(images.shape[1:])) * np.float32(1 / 256), labels


def idx_data(
    contents: dict[str, bytes], folder: Path, name: str, task: str | None = None, classes: tuple[str, ...] = ()
) -> Data:
    """The data set of four contents; valid is the last sixth of the training file, in file order, test the t10k files.

    ``folder`` is the name used in errors.
    """
    x, y = pair(contents, "train", folder)
    x_test, y_test = pair(contents, "t10k", folder)
    if len(x) < VALID_SHARE:
        raise ValueError(
            f"train-images in {folder} has {len(x)} images; {VALID_SHARE} are the least, of which one is for valid"
        )
    cut = len(x) - len(x) // VALID_SHARE
    named = () if task == "regression" else classes
    return Data(x[:cut], y[:cut], x[cut:], y[cut:], x_test, y_test, task=task, name=name, target="label", classes=named)


def read_idx_folder(folder: Path, name: str, task: str | None = None) -> Data:
    """The data set in ``folder``, any four files in MNIST's layout."""
    return idx_data(read_contents(folder), folder, name, task)
