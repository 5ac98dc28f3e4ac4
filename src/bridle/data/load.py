"""A data set by name or path."""

from __future__ import annotations

import os
from pathlib import Path

from bridle.data.dataset import Data
from bridle.data.idx import read_idx_folder
from bridle.data.pickles import read_pickle
from bridle.data.registry import DIGITS, IMAGE_SETS, NAMES, digits, image_set
from bridle.data.tables import ENDINGS, read_table
from bridle.data.targets import check_task
from bridle.forms import nearest

PICKLE_ENDINGS = (".pkl", ".pkl.gz")


def load(
    name_or_path: str | os.PathLike[str],
    target: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    task: str | None = None,
) -> Data:
    """Load a data set.

    - ``"digits"``: scikit-learn's, which needs no network;
    - ``"mnist"``, ``"fashion-mnist"``, ``"kmnist"``: from ``data_dir`` or the folder that the environment variable
      BRIDLE_DATA names, else from the user's cache, else downloaded into it and verified;
    - a folder with four files in MNIST's idx layout, plain or .gz;
    - ``mnist.pkl.gz`` in the layout of the notebook;
    - a table (.csv, .csv.gz, .parquet) with its ``target`` column.

    ``task`` is "classification" or "regression"; None tells it by the target. A name wins over a file of the same name
    in the current folder; write ``./mnist`` for that. Raises ``ValueError`` that says what is wrong and what to do.

    >>> load("digits")
    Data(digits: classification, rows 1079/359/359, 64 features, 10 outputs)
    """
    check_task(task)
    known = name_or_path.lower() if isinstance(name_or_path, str) else ""
    path = Path(name_or_path).expanduser()
    if is_table(path) and known not in NAMES:
        return read_table(path, target, task)
    if target is not None:
        raise ValueError(f"target={target!r} names a column of a table, but {str(name_or_path)!r} is not a table")
    if known == DIGITS:
        return digits(task)
    if known in IMAGE_SETS:
        return image_set(IMAGE_SETS[known], data_dir, task)
    if path.is_dir():
        return read_idx_folder(path, path.resolve().name, task)
    if path.name.lower().endswith(PICKLE_ENDINGS):
        return read_pickle(path, path.name.split(".")[0], task)
    raise ValueError(unknown(name_or_path, path))


def is_table(path: Path) -> bool:
    """Whether the file's name ends like that of a table."""
    return path.name.lower().endswith(ENDINGS) and not path.is_dir()


def unknown(name_or_path: str | os.PathLike[str], path: Path) -> str:
    """The sentence for what is neither a data set nor a file that can be read."""
    if path.is_file():
        endings = ", ".join((*ENDINGS, *PICKLE_ENDINGS))
        return f"{path} is of a kind that cannot be read; expected {endings}, or a folder of idx files"
    name = str(name_or_path)
    return f"there is neither a data set nor a file or folder named {name!r}{nearest(name, list(NAMES))}"
