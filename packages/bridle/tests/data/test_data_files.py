from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridle.data import load
from bridle.data.files import MOST, content

TABLE = b"a,b\n" + b"1,x\n2,y\n" * 20


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Makes things that are no regular files, in the current folder."""
    monkeypatch.chdir(tmp_path)
    sockets = []

    def make(kind: str, name: str) -> None:
        if kind == "socket":
            sockets.append(socket.socket(socket.AF_UNIX))
            sockets[-1].bind(name)
        else:
            {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda path: Path(path).symlink_to("/dev/null")}[kind](
                name
            )

    yield make
    for each in sockets:
        each.close()


KINDS = {"pipe": "a named pipe", "folder": "a folder", "device": "a device", "socket": "a socket"}
NAMES = ("t.csv", "t.csv.gz", "t.parquet", "t.pkl")


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in KINDS for name in NAMES if (kind, name) != ("folder", "t.pkl")]
)
def test_only_regular_files_are_opened(strange: Callable[[str, str], None], kind: str, name: str) -> None:
    strange(kind, name)
    with pytest.raises(ValueError, match=f"t.* is {KINDS[kind]}, not a file; put the data into a regular file"):
        load(name)


def test_a_pipe_among_idx_files_is_told(strange: Callable[[str, str], None], tmp_path: Path, write_idx: Any) -> None:
    write_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    strange("pipe", "train-labels-idx1-ubyte")
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte is a named pipe"):
        load(tmp_path)


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_bytes(TABLE)
    (tmp_path / "link.csv").symlink_to("real.csv")
    assert content(tmp_path / "link.csv") == TABLE
    (tmp_path / "round.csv").symlink_to("round.csv")
    with pytest.raises(ValueError, match=r"round\.csv cannot be read: Too many levels"):
        load(tmp_path / "round.csv")


@pytest.mark.parametrize("packed", [False, True])
def test_no_more_is_unpacked_than_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(TABLE) if packed else TABLE)
    monkeypatch.setenv(MOST, str(len(TABLE) / 2**30))
    assert content(path) == TABLE
    monkeypatch.setenv(MOST, str((len(TABLE) - 1) / 2**30))
    with pytest.raises(ValueError, match=r"t\.csv\.gz holds more than the .* GiB .* BRIDLE_MOST_GIB=8"):
        load(path, "b")


def test_what_is_refused_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.compress(bytes(10_000_000))
    path = tmp_path / "t.csv.gz"
    path.write_bytes(whole[:-1])  # whoever reads to the end finds the file corrupt
    monkeypatch.setenv(MOST, "0.001")
    with pytest.raises(ValueError, match=r"holds more than the 0\.001 GiB"):
        content(path)
    assert len(content(path, lambda head: 100)) == 101  # one byte more than there should be tells that there is more


def test_what_was_packed_a_thousand_times_is_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridle.data.files.SUSPICIOUS", 1 << 20)
    path = tmp_path / "t.csv.gz"
    blank = gzip.compress(bytes(10 << 20))
    path.write_bytes(blank[:-1])  # corrupt for whoever reads to the end
    with pytest.raises(
        ValueError, match=r"more than the 0\.000977 GiB .*, 100 times what it is packed; .*BRIDLE_MOST_GIB"
    ):
        content(path)
    path.write_bytes(blank)
    monkeypatch.setenv(MOST, "1")
    assert len(content(path)) == 10 << 20  # asked for in words
    monkeypatch.delenv(MOST)
    path.write_bytes(gzip.compress(np.random.default_rng(0).bytes(2 << 20)))
    assert len(content(path)) == 2 << 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b" \n\r\n\t\n" * 9, "t.csv cannot be read as a table: it is blank: it has no line"),
        (b"a" * (17 << 20), "t.csv cannot be read as a table: it has a line of more than 8 MiB"),
        (b"," * 200_000 + b"\n", "t.csv cannot be read as a table: line 1 has 200001 fields; at most 100000 are read"),
    ],
)
def test_text_that_would_fill_the_memory_is_told(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "t.csv", "a")


@pytest.mark.parametrize("most", ["much", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_no_size_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str) -> None:
    (tmp_path / "t.csv").write_bytes(TABLE)
    monkeypatch.setenv(MOST, most)
    with pytest.raises(ValueError, match=f"BRIDLE_MOST_GIB must be a number of GiB above 0, got '{most}'"):
        load(tmp_path / "t.csv", "b")


def test_gzip_of_several_members_is_one_content(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TABLE[:9]) + gzip.compress(TABLE[9:]) + bytes(100))
    assert content(tmp_path / "t.csv.gz") == TABLE
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TABLE) + b"garbage")
    with pytest.raises(ValueError, match=r"is corrupt: its gzip data cannot be unpacked"):
        content(tmp_path / "t.csv.gz")


@pytest.mark.parametrize(
    ("magic", "words"),
    [(b"PK\x03\x04", "a zip archive or a spreadsheet"), (b"\xfd7zXZ\0", "xz"), (b"BZh91AY&SY", "bzip2")],
)
def test_what_is_packed_in_another_way_is_told(tmp_path: Path, magic: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(magic + TABLE)
    with pytest.raises(ValueError, match=rf"t\.csv is {words}; unpack it"):
        load(tmp_path / "t.csv", "b")
