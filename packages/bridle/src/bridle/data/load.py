"""A data set by name or path."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from bridle.data.dataset import Data
from bridle.data.idx import find_idx, read_idx_folder
from bridle.data.pickles import read_pickle
from bridle.data.registry import DIGITS, IMAGE_SETS, NAMES, digits, image_set
from bridle.data.splits import DEFAULT, Splits, as_splits
from bridle.data.table_reader import ENDINGS, read_table
from bridle.data.target_encoding import check_task
from bridle.errors import InputError
from bridle_audit.wording import nearest

__all__ = ["load", "loaded"]

PICKLE_ENDINGS = (".pkl", ".pkl.gz")
LONG = 200  # characters of a name that an error shows


def loaded(data: Data | str | os.PathLike[str]) -> Data:
    """The data themselves, or what :func:`load` makes of a name or a path."""
    return data if isinstance(data, Data) else load(data)


def load(
    name_or_path: str | os.PathLike[str],
    target: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    task: str | None = None,
    categorical: Sequence[str] = (),
    *,
    splits: Splits | str | Mapping[str, Any] | None = None,
    weights: str | None = None,
) -> Data:
    """Load a data set.

    - ``"digits"``: scikit-learn's, which needs no network;
    - ``"mnist"``, ``"fashion-mnist"``, ``"kmnist"``: from ``data_dir`` or the folder that the environment variable
      BRIDLE_DATA names, else from the user's cache, else downloaded into it and verified;
    - a folder with four files in MNIST's idx layout, plain or .gz, also QMNIST's or each in a folder of its own name;
    - ``mnist.pkl.gz`` in the layout of the notebook;
    - a table (.csv, .tsv, .txt, each plain or .gz, or .parquet) with its ``target`` column; the columns named in
      ``categorical`` are categories although they hold numbers, and ``columns`` of the data says how each was read.

    ``task`` is "classification" or "regression"; None tells it by the target. A name wins over a file of the same name
    in the current folder; write ``./mnist`` for that. At most 1 GiB of a file is read, unpacked; the environment
    variable BRIDLE_MOST_GIB allows more. What was decided on the way is in the ``notes`` of the data. Raises
    ``ValueError`` that says what is wrong and what to do.

    >>> load("digits")
    Data(digits: classification, rows 1079/359/359, 64 features, 10 outputs)
    """
    asked_splits = as_splits(splits)
    found = copy(read(name_or_path, target, data_dir, task, categorical, splits=asked_splits, weights=weights))
    asked = {"target": target, "task": task, "data_dir": None if data_dir is None else os.fspath(data_dir)}
    source: dict[str, Any] = {
        "path": os.fspath(name_or_path),
        **{name: value for name, value in asked.items() if value is not None},
    }
    if categorical:
        source["categorical"] = list(named(categorical))
    if asked_splits != DEFAULT:
        source["splits"] = asked_splits.to_json()
    if weights is not None:
        source["weights"] = weights
    object.__setattr__(found, "source", source)
    return found


def read(
    name_or_path: str | os.PathLike[str],
    target: str | None,
    data_dir: str | os.PathLike[str] | None,
    task: str | None,
    categorical: Sequence[str],
    *,
    splits: Splits,
    weights: str | None,
) -> Data:
    """The data, by the reader that knows their kind."""
    check_task(task)
    check_target(target)
    known = name_or_path.lower() if isinstance(name_or_path, str) else ""
    path = path_of(name_or_path)
    if is_table(path):
        return read_table(path, target, task, named(categorical), splits=splits, weights=weights)
    if target is not None:
        raise InputError(f"target={target!r} names a column of a table, but {str(name_or_path)!r} is not a table")
    if categorical:
        raise InputError(f"categorical= names columns of a table, but {str(name_or_path)!r} is not a table")
    roles = splits.columns | ({} if weights is None else {"weights": weights})
    for role, column in roles.items():
        raise InputError(f"{role}={column!r} names a column of a table, but {str(name_or_path)!r} is not a table")
    if known == DIGITS:
        return digits(task, splits)
    if known in IMAGE_SETS:
        return image_set(IMAGE_SETS[known], data_dir, task, splits)
    if path.is_dir():
        return read_idx_folder(path, path.resolve().name, task, splits)
    if path.name.lower().endswith(PICKLE_ENDINGS):
        return read_pickle(path, path.name.split(".")[0], task, splits)
    raise InputError(unknown(name_or_path, path))


def named(categorical: Any) -> Sequence[str]:
    """Names of columns; ``ValueError`` for anything else."""
    names = [categorical] if isinstance(categorical, str) else list(categorical or ())
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"categorical must be a list of names of columns, got {categorical!r}")
    return names


def path_of(given: object) -> Path:
    """``given`` as a path that can be looked at, ``~`` spelled out; ``ValueError`` for anything else."""
    if not isinstance(given, str | os.PathLike) or not isinstance(os.fspath(given), str):
        raise InputError(
            f"expected the name of a data set or the path of a file or folder, as text or pathlib.Path, got "
            f"{type(given).__name__}; arrays and tables in memory go to bridle.Data.from_arrays(x, y), which splits "
            "them, or split to bridle.Data(x_train, y_train, x_valid, y_valid)"
        )
    name = os.fspath(given)
    if not name or "\0" in name:
        raise InputError(f"{name!r} is neither the name of a data set nor a path{nearest(name, list(NAMES))}")
    if "://" in name:
        raise InputError(f"{name} is an address on the web; download the file and give its path")
    try:
        path = Path(name).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:  # a name that is too long, a folder that is closed, an unknown home
        problem = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{name if len(name) < LONG else name[:LONG] + '...'} cannot be read: {problem}") from error
    return path


def check_target(target: object) -> None:
    """Raise ``ValueError`` unless ``target`` is a column's name, or None."""
    if target is not None and not isinstance(target, str):
        raise InputError(f"target must be the name of a column, as text, got {target!r}")


def is_table(path: Path) -> bool:
    """Return True where the name ends like that of a table, and is not that of a folder of idx files."""
    return path.name.lower().endswith(ENDINGS) and not find_idx(path)


def unknown(name_or_path: str | os.PathLike[str], path: Path) -> str:
    """The sentence for what is neither a data set nor a file that can be read."""
    if path.exists():
        endings = ", ".join((*ENDINGS, *PICKLE_ENDINGS))
        return f"{path} is of a kind that cannot be read; expected {endings}, or a folder of idx files"
    name = str(name_or_path)
    return f"there is neither a data set nor a file or folder named {name!r}{nearest(name, list(NAMES))}"
