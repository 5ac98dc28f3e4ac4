"""The data sets that are known by name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sklearn.datasets import load_digits

from bridle.data.array_rows import ArrayRows
from bridle.data.dataset import Data
from bridle.data.download import RemoteFile, content_sum, difference, fetch
from bridle.data.files import content
from bridle.data.idx import ROLES, expected_length, find_idx, idx_data, read_contents
from bridle.data.pickles import read_pickle
from bridle.data.row_keys import RowKeys
from bridle.data.splits import DEFAULT, Splits
from bridle.errors import InputError

__all__ = ["DIGITS", "IMAGE_SETS", "NAMES", "digits", "image_set"]

ENVIRONMENT = "BRIDLE_DATA"


@dataclass(frozen=True)
class ImageSet:
    """A downloadable data set in MNIST's layout."""

    name: str
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]
    folders: tuple[str, ...]  # where it may lie inside a data folder: its own, torchvision's, the data folder itself
    pickles: tuple[str, ...] = ()  # other files that hold the same
    classes: tuple[str, ...] = ()  # where they have better names than 0 ... 9


Four = tuple[str, str, str, str]


def four_files(sums: Four, hashed: str, unpacked: Four = ("", "", "", "")) -> tuple[RemoteFile, ...]:
    """The files of an image set: train images, train labels, test images, test labels."""
    names = (f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
    lengths = (16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000)
    rows = zip(names, sums, lengths, unpacked, strict=True)
    return tuple(RemoteFile(name, each, length, hashed, inside) for name, each, length, inside in rows)


MNIST = ImageSet(
    "mnist",
    four_files(
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        hashed="content",  # the mirrors differ in their gzip wrapping
    ),
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    folders=("mnist", "MNIST/raw", ""),
    pickles=("mnist.pkl.gz", "mnist.pkl"),
)

# Of these two the published sums are of the .gz files (the same in TensorFlow Datasets and torchvision). The sums of
# Fashion-MNIST's labels unpacked are of what those files hold; no others are known, so that files which were unpacked
# are told from another set's, and else taken with a note.
FASHION_MNIST = ImageSet(
    "fashion-mnist",
    four_files(
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        hashed="file",
        unpacked=(
            "",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    folders=("fashion-mnist", "FashionMNIST/raw", ""),
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
)

KMNIST = ImageSet(
    "kmnist",
    four_files(
        (
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
        hashed="file",
    ),
    mirrors=(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
    folders=("kmnist", "KMNIST/raw", ""),
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
)

IMAGE_SETS = {each.name: each for each in (MNIST, FASHION_MNIST, KMNIST)}
DIGITS = "digits"
NAMES = (DIGITS, *IMAGE_SETS)


def digits(task: str | None = None, splits: Splits = DEFAULT) -> Data:
    """scikit-learn's embedded handwritten digits: 1797 rows, 8 x 8 pixels in 0 ... 1; split within each digit."""
    bunch = load_digits()
    options = {"task": task, "name": DIGITS, "target": "digit", "features": bunch.feature_names}
    return ArrayRows(Data, bunch.data / 16, bunch.target, RowKeys(bunch.target), splits, options).data()


def image_set(
    source: ImageSet,
    data_dir: str | os.PathLike[str] | None,
    task: str | None = None,
    splits: Splits = DEFAULT,
) -> Data:
    """A registered data set from the user's folder if it is there, else from the cache, else downloaded."""
    folder = data_folder(data_dir)
    path = locate(source, folder) if folder else None
    if path is None:
        import pooch  # noqa: PLC0415  (see download.py)

        path = Path(pooch.os_cache("bridle")) / source.name
        fetch(source.files, source.mirrors, path, manual_download_hint(source, folder))
        return idx_data(read_contents(path), path, source.name, task, source.classes, splits=splits)
    if not path.is_dir():
        return read_pickle(path, source.name, task, splits)
    contents = read_contents(path)
    notes = check_contents(source, contents, path)
    return idx_data(contents, path, source.name, task, source.classes, notes, splits)


def data_folder(data_dir: str | os.PathLike[str] | None) -> Path | None:
    """The folder that the user names, by argument or else by environment variable; it must exist."""
    named = os.environ.get(ENVIRONMENT) or None if data_dir is None else data_dir
    if named is None:
        return None
    source = ENVIRONMENT if data_dir is None else "--data-dir"
    if not isinstance(named, str | os.PathLike) or not isinstance(os.fspath(named), str):
        raise InputError(f"{source} must be the path of a folder, as text or pathlib.Path, got {named!r}")
    try:
        folder = Path(named).expanduser()
        there = bool(os.fspath(named)) and folder.is_dir()
    except (OSError, RuntimeError) as error:  # a name that is too long, a folder that is closed, an unknown home
        raise InputError(f"the folder that {source} names cannot be read: {error}") from error
    if not there:
        raise InputError(f"there is no folder {os.fspath(named) or repr('')}, which {source} names")
    return folder


def locate(source: ImageSet, folder: Path) -> Path | None:
    """The folder of idx files, or the pickle, that holds ``source`` inside ``folder``."""
    for path in (folder / inner for inner in source.folders):
        if find_idx(path) and not (path == folder and data_set_in(folder) not in ("", source.name)):
            return path
        for pickle in source.pickles:
            if (path / pickle).is_file():
                return path / pickle
    return None


def data_set_in(folder: Path) -> str:
    """The registered name of the data set whose training labels lie in ``folder``; empty for any other."""
    role = "train-labels"
    path = find_idx(folder).get(role)
    return data_set_of_file(role, path, content(path, expected_length)) if path else ""


def data_set_of_file(role: str, path: Path, data: bytes) -> str:
    """The registered name of the data set that has this file in this role; empty where none has."""
    number = ROLES.index(role)
    return next((each.name for each in IMAGE_SETS.values() if each.files[number].holds(path, data)), "")


def check_contents(source: ImageSet, contents: dict[str, bytes], folder: Path) -> tuple[str, ...]:
    """Compare a user's files with the published ones; returns what could not be verified, as a note.

    Raises ``ValueError`` for a file of another registered data set, and for one that is as long as the published one
    but differs in content. A file of another length is the user's own choice, such as a smaller set to try things on,
    and taken as it is.
    """
    paths = find_idx(folder)
    unverified = []
    for file, (role, data) in zip(source.files, contents.items(), strict=True):
        if file.holds(paths[role], data):
            continue
        other = data_set_of_file(role, paths[role], data)
        same_length = len(data) == file.length
        if other or (same_length and file.content_sha256):
            problem = f"it is {other}'s" if other else difference(file.content_sha256, content_sum(data))
            raise InputError(
                f"{role} in {folder} is not {source.name}'s: {problem}; to read another data set, give its "
                f"{'name or ' * bool(other)}folder instead of the name {source.name!r}"
            )
        unverified.append(f"{role} ({'no sum is known' if same_length else 'another length than the published'})")
    return (f"not verified as {source.name}: {', '.join(unverified)} in {folder}",) if unverified else ()


def manual_download_hint(source: ImageSet, folder: Path | None) -> str:
    """Return what to do without a network; ``folder`` is the data folder in which the data set was not found."""
    pickled = f" or {source.pickles[0]}" if source.pickles else ""
    places = " or ".join(each for each in source.folders if each)
    other = data_set_in(folder) if folder else ""
    found = f"The files in {folder} are {other}'s, not {source.name}'s. " if other else ""
    return (
        f"{found}Put the four files{pickled} into a folder and name it with --data-dir (data_dir= in Python) or the "
        f"environment variable {ENVIRONMENT}; inside it they may also lie in {places}."
    )
