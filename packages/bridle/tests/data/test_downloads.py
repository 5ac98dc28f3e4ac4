from __future__ import annotations

import gzip
import hashlib
import pickle
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from idx_files import idx_bytes

from bridle.data import load
from bridle.data.download import ProgressBar, RemoteFile, fetch
from bridle.data.registry import FASHION_MNIST, KMNIST, MNIST, ImageSet, image_set

CONTENT = b"pixels" * 40000
GOOD = gzip.compress(CONTENT)
FILE = RemoteFile("pixels.gz", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
OTHER_WRAPPING = gzip.compress(CONTENT, compresslevel=1, mtime=7)


def test_a_file_is_downloaded_once_and_then_cached(server: Any, tmp_path: Path) -> None:
    server.files["/a/pixels.gz"] = GOOD
    for _ in range(2):
        fetch((FILE,), (f"{server.url}/a/",), tmp_path / "cache", "")
    assert (tmp_path / "cache" / "pixels.gz").read_bytes() == GOOD
    assert server.asked == ["/a/pixels.gz"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["pixels.gz"]


def test_the_content_is_verified_not_its_wrapping(server: Any, tmp_path: Path) -> None:
    server.files["/a/pixels.gz"] = OTHER_WRAPPING
    fetch((FILE,), (f"{server.url}/a/",), tmp_path, "")
    assert (tmp_path / "pixels.gz").read_bytes() == OTHER_WRAPPING
    published = RemoteFile("pixels.gz", hashlib.sha256(GOOD).hexdigest(), len(CONTENT), "file")
    assert "wrong checksum" in published.problem(tmp_path / "pixels.gz")


@pytest.mark.parametrize(
    "bad",
    [gzip.compress(b"other"), b"<html>sign in</html>", GOOD[:-30], b""],
    ids=["another file", "a page", "cut off", "nothing"],  # gzip writes the time, and all processes need the same names
)
def test_after_a_wrong_file_the_next_mirror_is_asked(server: Any, tmp_path: Path, bad: bytes) -> None:
    server.files |= {"/bad/pixels.gz": bad, "/good/pixels.gz": GOOD}
    fetch((FILE,), (f"{server.url}/bad/", f"{server.url}/none/", f"{server.url}/good/"), tmp_path, "")
    assert (tmp_path / "pixels.gz").read_bytes() == GOOD
    assert server.asked == ["/bad/pixels.gz", "/none/pixels.gz", "/good/pixels.gz"]


def test_a_connection_that_breaks_off_leaves_nothing_behind(server: Any, tmp_path: Path) -> None:
    server.files["/a/pixels.gz"] = GOOD
    server.cut.add("/a/pixels.gz")
    with pytest.raises(ValueError, match=r"could not download pixels\.gz"):
        fetch((FILE,), (f"{server.url}/a/",), tmp_path, "")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_stalls_is_left(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridle.data.download.TIMEOUT", (1, 0.2))
    server.files |= {"/slow/pixels.gz": GOOD, "/good/pixels.gz": GOOD}
    server.stalled.add("/slow/pixels.gz")
    fetch((FILE,), (f"{server.url}/slow/", f"{server.url}/good/"), tmp_path, "")
    assert (tmp_path / "pixels.gz").read_bytes() == GOOD
    (tmp_path / "pixels.gz").unlink()
    with pytest.raises(ValueError, match=r"(?s)could not download pixels\.gz; tried.*slow/pixels\.gz: .*timed out"):
        fetch((FILE,), (f"{server.url}/slow/",), tmp_path, "")
    assert list(tmp_path.iterdir()) == []


def test_a_redirection_is_followed_but_not_for_ever(server: Any, tmp_path: Path) -> None:
    server.files["/b/pixels.gz"] = GOOD
    server.moved = {"/a/pixels.gz": "/b/pixels.gz", "/c/pixels.gz": "/c/pixels.gz", "/d/pixels.gz": "file:///etc/hosts"}
    fetch((FILE,), (f"{server.url}/a/",), tmp_path / "found", "")
    assert (tmp_path / "found" / "pixels.gz").read_bytes() == GOOD
    with pytest.raises(
        ValueError, match=r"(?s)c/pixels\.gz: Exceeded 30 redirects.*d/pixels\.gz: No connection adapters"
    ):
        fetch((FILE,), (f"{server.url}/c/", f"{server.url}/d/"), tmp_path / "none", "")


def test_no_more_is_taken_from_a_server_than_the_file_can_have(server: Any, tmp_path: Path) -> None:
    server.files |= {"/long/pixels.gz": bytes(len(CONTENT) * 2), "/good/pixels.gz": gzip.compress(CONTENT, 0)}
    with pytest.raises(ValueError, match=r"long/pixels\.gz: it sends more than the file can have"):
        fetch((FILE,), (f"{server.url}/long/",), tmp_path, "")
    fetch((FILE,), (f"{server.url}/long/", f"{server.url}/good/"), tmp_path, "")
    assert FILE.problem(tmp_path / "pixels.gz") == ""


def test_an_interrupt_leaves_nothing_behind(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(bar: ProgressBar, count: int) -> None:
        raise KeyboardInterrupt

    server.files["/a/pixels.gz"] = GOOD
    monkeypatch.setattr(ProgressBar, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch((FILE,), (f"{server.url}/a/",), tmp_path, "")
    assert list(tmp_path.iterdir()) == []


def test_a_spoilt_file_in_the_cache_is_downloaded_again(server: Any, tmp_path: Path) -> None:
    (tmp_path / "pixels.gz").write_bytes(GOOD[:-1])
    server.files["/a/pixels.gz"] = GOOD
    fetch((FILE,), (f"{server.url}/a/",), tmp_path, "")
    assert (tmp_path / "pixels.gz").read_bytes() == GOOD


def test_when_all_mirrors_fail_each_reason_and_the_way_out_are_told(server: Any, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        server.files["/bad/pixels.gz"] = gzip.compress(b"other")
        with pytest.raises(ValueError) as caught:
            fetch((FILE,), (closed, f"{server.url}/bad/", f"{server.url}/none/"), tmp_path, "use --data-dir")
    lines = str(caught.value).splitlines()
    assert lines[0] == "could not download pixels.gz; tried"
    assert lines[1].startswith(f"  {closed}pixels.gz: ")
    assert lines[1].endswith("Connection refused")
    got = hashlib.sha256(b"other").hexdigest()
    expected = f"wrong checksum: expected sha256 {FILE.sha256}, got {got}"
    assert lines[2] == f"  {server.url}/bad/pixels.gz: {expected}"
    assert "404" in lines[3]
    assert lines[4] == "use --data-dir"


def test_a_cache_that_cannot_be_written_is_told(server: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(ValueError, match=r"cannot keep downloads in .*use --data-dir"):
        fetch((FILE,), (server.url,), tmp_path / "cache", "use --data-dir")


def small_set(server: Any, contents: dict[str, bytes]) -> ImageSet:
    """A data set that the server offers."""
    files = []
    for name, data in contents.items():
        server.files[f"/set/{name}.gz"] = gzip.compress(data)
        files.append(RemoteFile(f"{name}.gz", hashlib.sha256(data).hexdigest(), len(data)))
    return ImageSet("small", tuple(files), (f"{server.url}/set/",), ("", "small"), ("small.pkl.gz",), ("even", "odd"))


def test_a_registered_set_is_downloaded_into_the_cache(
    server: Any, tmp_path: Path, own_cache: Path, write_idx: Any
) -> None:
    small = small_set(server, write_idx(tmp_path / "source"))
    data = image_set(small, None)
    assert data.rows == {"train": 10, "valid": 2, "test": 4}
    assert data.classes == ("even", "odd")
    assert len(list(own_cache.rglob("*-ubyte.gz"))) == 4
    server.asked.clear()
    assert image_set(small, None).fingerprint == data.fingerprint
    assert server.asked == []


@pytest.mark.parametrize("place", ["", "small"])
@pytest.mark.parametrize("by_environment", [False, True])
def test_the_users_folder_comes_first(  # noqa: PLR0917  (fixtures)
    server: Any, tmp_path: Path, write_idx: Any, monkeypatch: pytest.MonkeyPatch, place: str, by_environment: bool
) -> None:
    small = small_set(server, write_idx(tmp_path / "mine" / place))
    monkeypatch.setenv("BRIDLE_DATA", str(tmp_path / "mine") if by_environment else "/not/there")
    data = image_set(small, None if by_environment else tmp_path / "mine")
    assert data.rows["train"] == 10
    assert server.asked == []


def test_a_folder_without_the_set_is_passed_over(server: Any, tmp_path: Path, write_idx: Any) -> None:
    small = small_set(server, write_idx(tmp_path / "source"))
    (tmp_path / "empty").mkdir()
    assert image_set(small, tmp_path / "empty").rows["train"] == 10
    assert len(server.asked) == 4


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere, which --data-dir names"):
        load("mnist", data_dir=tmp_path / "nowhere")
    monkeypatch.setenv("BRIDLE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere, which BRIDLE_DATA names"):
        load("mnist")


def test_a_file_of_the_right_length_must_have_the_right_content(server: Any, tmp_path: Path, write_idx: Any) -> None:
    contents = write_idx(tmp_path)
    small = small_set(server, contents)
    name = "train-images-idx3-ubyte"
    damaged = contents[name][:-1] + b"\x7f"
    (tmp_path / name).write_bytes(damaged)
    got = hashlib.sha256(damaged).hexdigest()
    with pytest.raises(ValueError, match=f"train-images in .* is not small's: wrong checksum: expected .* got {got}"):
        image_set(small, tmp_path)


Registered = tuple[ImageSet, dict[str, dict[str, bytes]]]


@pytest.fixture
def registered(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registered:
    """Two registered sets of the same lengths, "small" with sums of the contents and "fashion"; what both hold.

    Of "fashion", which is returned, the sums are of the packed files, and that of the content is known of the training
    labels alone, as it is of Fashion-MNIST's.
    """
    random = np.random.default_rng(0)
    sets = {}
    for number, name in enumerate(("small", "fashion")):
        contents = {}
        for file, rows in (("train", 12), ("t10k", 6)):
            contents[f"{file}-images-idx3-ubyte"] = idx_bytes(random.integers(0, 256, (rows, 2, 2)))
            contents[f"{file}-labels-idx1-ubyte"] = idx_bytes((np.arange(rows) + number) % 2)
        sets[name] = contents
    small = small_set(server, sets["small"])
    fashion = ImageSet("fashion", tuple(map(packed_file, sets["fashion"].items())), (), ("fashion", ""), (), ("T", "U"))
    monkeypatch.setattr("bridle.data.registry.IMAGE_SETS", {"small": small, "fashion": fashion})
    return fashion, sets


def packed_file(item: tuple[str, bytes]) -> RemoteFile:
    name, data = item
    published = hashlib.sha256(gzip.compress(data, mtime=0)).hexdigest()
    inside = hashlib.sha256(data).hexdigest() if name.startswith("train-labels") else ""
    return RemoteFile(f"{name}.gz", published, len(data), "file", inside)


def put(folder: Path, contents: dict[str, bytes], packed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data, mtime=0) if packed else data)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inner", ["fashion", ""])
def test_the_files_may_lie_in_the_data_folder_itself(
    registered: Registered, tmp_path: Path, packed: bool, inner: str
) -> None:
    fashion, sets = registered
    put(tmp_path / "mine" / inner, sets["fashion"], packed)
    data = image_set(fashion, tmp_path / "mine")
    assert data.classes == ("T", "U")
    unverified = [note for note in data.notes if note.startswith("not verified as fashion: train-images (no sum is")]
    assert len(unverified) == (0 if packed else 1)  # of what was unpacked no sum is published


@pytest.mark.parametrize("packed", [False, True])
def test_files_of_another_data_set_are_named(registered: Registered, tmp_path: Path, packed: bool) -> None:
    fashion, sets = registered
    put(tmp_path / "mine" / "fashion", sets["small"], packed)
    with pytest.raises(ValueError, match=r"train-images in .* is not fashion's: it is small's; .* its name or folder"):
        image_set(fashion, tmp_path / "mine")
    put(tmp_path / "mine" / "fashion", sets["fashion"], packed)
    wrong = {name: data for name, data in sets["small"].items() if name.startswith("t10k-labels")}
    put(tmp_path / "mine" / "fashion", wrong, packed)
    with pytest.raises(ValueError, match=r"t10k-labels in .* is not fashion's: it is small's"):
        image_set(fashion, tmp_path / "mine")


def test_labels_of_the_right_length_need_the_sum_that_is_known(registered: Registered, tmp_path: Path) -> None:
    fashion, sets = registered
    mixed = sets["fashion"] | {"train-labels-idx1-ubyte": idx_bytes(np.arange(12) // 6)}
    put(tmp_path / "fashion", mixed)
    with pytest.raises(ValueError, match=r"train-labels in .* is not fashion's: wrong checksum"):
        image_set(fashion, tmp_path)


def test_a_data_folder_that_is_another_sets_is_passed_over_and_told_if_nothing_else_is_there(
    registered: Registered, tmp_path: Path
) -> None:
    fashion, sets = registered
    put(tmp_path / "mine", sets["small"])
    with pytest.raises(ValueError, match=r"(?s)could not download .*The files in .*mine are small's, not fashion's\."):
        image_set(fashion, tmp_path / "mine")
    put(tmp_path / "mine" / "fashion", sets["fashion"])
    assert image_set(fashion, tmp_path / "mine").classes == ("T", "U")


def test_a_smaller_set_is_taken_with_a_note(registered: Registered, tmp_path: Path) -> None:
    fashion, _ = registered
    images = {name: idx_bytes(np.arange(rows * 4).reshape(rows, 2, 2)) for name, rows in (("train", 8), ("t10k", 4))}
    labels = {name: idx_bytes(np.arange(rows) % 2) for name, rows in (("train", 8), ("t10k", 4))}
    put(
        tmp_path / "fashion",
        {f"{name}-images-idx3-ubyte": data for name, data in images.items()}
        | {f"{name}-labels-idx1-ubyte": data for name, data in labels.items()},
    )
    (note,) = [note for note in image_set(fashion, tmp_path).notes if note.startswith("not verified")]
    assert "train-images (another length than the published)" in note


@pytest.mark.parametrize("name", ["fashion-mnist", "kmnist"])
def test_the_real_mnist_is_not_taken_for_another(shared_data: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(shared_data / "mnist")
    with pytest.raises(ValueError, match=f"train-images in .* is not {name}'s: it is mnist's"):
        load(name, data_dir=tmp_path)


def test_mnist_without_a_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(ValueError) as caught:
            load("mnist")
    message = str(caught.value)
    assert "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz: " in message
    assert "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz: " in message
    assert "Put the four files or mnist.pkl.gz into a folder and name it with --data-dir" in message
    assert "BRIDLE_DATA" in message


def test_the_registered_names_and_sums_are_whole() -> None:
    sums = [file.sha256 for source in (MNIST, FASHION_MNIST, KMNIST) for file in source.files]
    assert len(set(sums)) == 12
    assert all(len(each) == 64 and int(each, 16) for each in sums)
    names = [file.name for file in MNIST.files]
    assert names[1:3] == ["train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"]
    assert [file.length for file in MNIST.files] == [47040016, 60008, 7840016, 10008]


def test_the_registered_sums_are_those_of_the_real_mnist(shared_data: Path) -> None:
    assert [file.problem(shared_data / "mnist" / file.name) for file in MNIST.files] == [""] * 4


def test_the_pickle_in_the_users_folder_is_found(tmp_path: Path) -> None:
    x, y = np.ones((4, 3), np.float32), np.array([0, 1, 0, 1])
    (tmp_path / "mnist").mkdir()
    pickled = gzip.compress(pickle.dumps(((x, y), (x, y), (x, y)), protocol=2))
    (tmp_path / "mnist" / "mnist.pkl.gz").write_bytes(pickled)
    data = load("MNIST", data_dir=tmp_path)
    assert (data.name, data.rows["train"]) == ("mnist", 4)
