from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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


def test_the_real_mnist_is_split_as_in_the_notebook(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDLE_DATA", str(shared_data))
    data = load("mnist")
    assert data.x_train.shape == (50000, 784)
    assert data.rows == {"train": 50000, "valid": 10000, "test": 10000}
    assert data.x_train.max() == 255 / 256
    assert data.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.y_valid[:5].tolist() == [3, 8, 6, 9, 6]
    assert data.classes == tuple("0123456789")
