from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from idx_files import idx_bytes

from bridle.data import load
from bridle.data.idx import parse_idx

MAGIC = b"\0\0\x08\x03"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("joint", ["-", "."])
def test_a_folder_of_idx_files_is_a_data_set(
    tmp_path: Path, write_idx: Callable[..., dict[str, bytes]], packed: bool, joint: str
) -> None:
    contents = write_idx(tmp_path / "shapes", packed=packed, joint=joint)
    data = load(tmp_path / "shapes")
    pixels = np.frombuffer(contents["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(12, 12)
    assert data.name == "shapes"
    assert data.classes == ("0", "1")
    assert data.rows == {"train": 10, "valid": 2, "test": 4}
    np.testing.assert_array_equal(np.concatenate([data.x_train, data.x_valid]), pixels / np.float32(256))
    assert data.y_valid.tolist() == [0, 1]
    assert data.x_train.dtype == np.float32


def test_files_that_are_not_there_are_named(tmp_path: Path, write_idx: Callable[..., dict[str, bytes]]) -> None:
    write_idx(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match=r"lacks t10k-labels-idx1-ubyte \(plain or \.gz\)"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0\x08\x01" + b"\0" * 30, "expected magic number 0x00000803, got 0x00000801"),
        (b"P5 4", "expected magic number 0x00000803, got 0x50352034"),
        (b"\0\0", "expected magic number 0x00000803, got 0x0000"),
        (MAGIC + b"\0\0\0\2", "truncated: its head has 16 bytes, the file 8"),
        (MAGIC + b"\0\0\0\2" * 3 + b"1234567", r"truncated: expected 24 bytes for shape \(2, 2, 2\), got 23"),
        (MAGIC + b"\0\0\0\2" * 3 + b"123456789", "longer than its head says: expected 24 bytes .* got 25"),
        (MAGIC + b"\xff" * 12, "truncated: expected 79228162458924105385300197391 bytes"),
    ],
)
def test_a_broken_idx_file_says_what_was_expected_and_what_it_has(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"pixels.*{message}"):
        parse_idx(data, 3, "pixels")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda raw: raw[:-9], "is corrupt: its gzip data cannot be unpacked"),
        (lambda raw: raw[:-8] + b"\0\0\0\0" + raw[-4:], "is corrupt: its gzip data cannot be unpacked .*CRC"),
        (lambda raw: raw[:12] + bytes(40) + raw[52:], "is corrupt: its gzip data cannot be unpacked"),
        (lambda raw: b"", "is empty"),
        (lambda raw: gzip.compress(b""), "is empty"),
    ],
)
def test_broken_gzip_is_told(
    tmp_path: Path, write_idx: Callable[..., dict[str, bytes]], spoil: Callable[[bytes], bytes], message: str
) -> None:
    write_idx(tmp_path, packed=True)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(ValueError, match=f"train-images-idx3-ubyte.gz {message}"):
        load(tmp_path)


def test_images_and_labels_must_agree(tmp_path: Path, write_idx: Callable[..., dict[str, bytes]]) -> None:
    contents = write_idx(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(contents["train-labels-idx1-ubyte"])
    with pytest.raises(ValueError, match=r"t10k-images in .* has 4 images, but t10k-labels 12 labels"):
        load(tmp_path)


def test_too_few_images_cannot_be_split(tmp_path: Path, write_idx: Callable[..., dict[str, bytes]]) -> None:
    contents = write_idx(tmp_path)
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        (tmp_path / f"train-{kind}").write_bytes(contents[f"t10k-{kind}"])
    with pytest.raises(ValueError, match=r"has 4 images; 6 are the least"):
        load(tmp_path)


def write_arrays(folder: Path, x: np.ndarray, y: np.ndarray, prefix: str = "", test: str = "t10k") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", test):
        (folder / f"{prefix}{part}-images-idx3-ubyte").write_bytes(idx_bytes(x, x.dtype.str[1:]))
        (folder / f"{prefix}{part}-labels-idx1-ubyte").write_bytes(idx_bytes(y, y.dtype.str[1:]))


LABELS = np.arange(12, dtype=np.uint8) % 3
PIXELS = np.random.default_rng(0).integers(-100, 100, (12, 4, 3))


@pytest.mark.parametrize("packed", [False, True])
def test_files_in_folders_of_their_names_are_found(
    tmp_path: Path, write_idx: Callable[..., dict[str, bytes]], packed: bool
) -> None:
    write_idx(tmp_path / "flat", packed=packed)
    for file in (tmp_path / "flat").iterdir():
        inner = tmp_path / "nested" / file.name
        inner.mkdir(parents=True)
        (inner / file.name.removesuffix(".gz")).write_bytes(file.read_bytes())
    assert load(tmp_path / "nested").fingerprint == load(tmp_path / "flat").fingerprint
    write_idx(tmp_path / "nested", joint=".")  # as an archive of Kaggle's has both
    assert load(tmp_path / "nested").fingerprint == load(tmp_path / "flat").fingerprint


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "f4", "f8"])
def test_images_of_other_types_are_taken_as_they_are(tmp_path: Path, kind: str) -> None:
    write_arrays(tmp_path, PIXELS.astype(kind), LABELS)
    data = load(tmp_path)
    np.testing.assert_array_equal(data.x_test, PIXELS.reshape(12, 12))
    assert any(f"of type {np.dtype(kind).name} and taken as they are" in note for note in data.notes)


@pytest.mark.parametrize("shape", [(12, 12), (12, 4, 3), (12, 2, 2, 3)])
def test_images_may_have_one_to_three_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = np.arange(144, dtype=np.uint8)
    write_arrays(tmp_path, x.reshape(shape), LABELS)
    np.testing.assert_array_equal(load(tmp_path).x_test, x.reshape(12, 12) / np.float32(256))


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("column", [False, True])
def test_labels_may_be_of_any_type(tmp_path: Path, kind: str, column: bool) -> None:
    labels = LABELS.astype(kind)
    write_arrays(tmp_path, PIXELS.astype("i2"), labels[:, None] if column else labels)
    data = load(tmp_path)
    assert data.classes == ("0", "1", "2")
    assert data.y_test is not None
    assert data.y_test.tolist() == LABELS.tolist()


def test_labels_beyond_a_byte_keep_their_values(tmp_path: Path) -> None:
    write_arrays(tmp_path, PIXELS.astype("i2"), LABELS.astype("i4") * 1000 - 7)
    assert load(tmp_path).classes == ("-7", "993", "1993")


def test_qmnist_has_its_names_and_its_class_in_the_first_of_eight_columns(tmp_path: Path) -> None:
    labels = np.arange(12 * 8, dtype="i4").reshape(12, 8)
    labels[:, 0] = LABELS
    write_arrays(tmp_path, PIXELS.astype("u1"), labels, prefix="qmnist-", test="test")
    for path in list(tmp_path.glob("*labels*")):
        packed = path.with_name(path.name.replace("idx1-ubyte", "idx2-int") + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    data = load(tmp_path)
    assert data.y_test is not None
    assert data.y_test.tolist() == LABELS.tolist()
    assert "the labels have 8 columns, as QMNIST's; the first is taken for the class" in data.notes


@pytest.mark.parametrize("labels", [np.eye(3, dtype="u1")[LABELS], np.zeros((12, 8), "f4")])
def test_other_columns_of_labels_are_not_guessed_at(tmp_path: Path, labels: np.ndarray) -> None:
    write_arrays(tmp_path, PIXELS.astype("u1"), labels)
    with pytest.raises(ValueError, match=r"train-labels in .* has the shape \(12, .*expected one label per image"):
        load(tmp_path)


def test_two_data_sets_in_one_folder_are_told_apart_by_name_only(tmp_path: Path) -> None:
    for prefix in ("emnist-letters-", "emnist-digits-"):
        write_arrays(tmp_path, PIXELS.astype("u1"), LABELS, prefix=prefix)
    with pytest.raises(ValueError, match=r"holds several data sets, with names in emnist-digits-.*, emnist-letters-"):
        load(tmp_path)
    write_arrays(tmp_path, PIXELS.astype("u1"), LABELS)
    assert load(tmp_path).rows["test"] == 12


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_is_read_only_as_far_as_its_head_says(
    tmp_path: Path, write_idx: Callable[..., dict[str, bytes]], monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    contents = write_idx(tmp_path, packed=packed)
    longer = contents["train-labels-idx1-ubyte"] + bytes(10_000_000)
    path = tmp_path / ("train-labels-idx1-ubyte" + ".gz" * packed)
    path.write_bytes(gzip.compress(longer)[:-1] if packed else longer)  # corrupt for whoever reads to the end
    with pytest.raises(ValueError, match=r"is longer than its head says: expected 20 bytes .*, got .* or more"):
        load(tmp_path)
    path.write_bytes(gzip.compress(MAGIC + b"\0\1\0\0" * 3 + bytes(10_000_000))[:-1])
    monkeypatch.setenv("BRIDLE_MOST_GIB", "0.001")
    with pytest.raises(ValueError, match=r"holds more than the 0\.001 GiB"):
        load(tmp_path)


@pytest.mark.parametrize("shape", [(0, 4, 3), (12, 0, 3), (0, 2**31, 2**31)])
def test_a_head_of_no_rows_or_no_pixels_is_told(tmp_path: Path, shape: tuple[int, ...]) -> None:
    write_arrays(tmp_path, PIXELS.astype("u1"), LABELS)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(MAGIC + struct.pack(">III", *shape))
    with pytest.raises(ValueError, match=r"train-images in .* is empty: its head says the shape"):
        load(tmp_path)


def test_the_real_mnist_is_split_as_in_the_notebook(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDLE_DATA", str(shared_data))
    data = load("mnist")
    assert data.x_train.shape == (50000, 784)
    assert data.rows == {"train": 50000, "valid": 10000, "test": 10000}
    assert data.x_train.max() == 255 / 256
    assert data.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.y_valid[:5].tolist() == [3, 8, 6, 9, 6]
    assert data.classes == tuple("0123456789")
