"""Small data sets, written where a test wants them, and a web server for downloads."""

from __future__ import annotations

import gzip
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from idx_files import idx_bytes

WriteIdx = Callable[..., dict[str, bytes]]


def idx_contents(train: int = 12, test: int = 4) -> dict[str, bytes]:
    """Return the four files of a small data set by name."""
    random = np.random.default_rng(0)
    contents = {}
    for part, rows in (("train", train), ("t10k", test)):
        contents[f"{part}-images-idx3-ubyte"] = idx_bytes(random.integers(0, 256, (rows, 4, 3)))
        contents[f"{part}-labels-idx1-ubyte"] = idx_bytes(np.arange(rows) % 2)
    return contents


@pytest.fixture
def write_idx() -> WriteIdx:
    """Return a function that writes four idx files of 4 x 3 pixels and two classes and returns their contents."""

    def write(folder: Path, *, packed: bool = False, joint: str = "-") -> dict[str, bytes]:
        folder.mkdir(parents=True, exist_ok=True)
        contents = idx_contents()
        for name, data in contents.items():
            spelled = name.replace("-idx", f"{joint}idx")
            (folder / (spelled + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
        return contents

    return write


class Server(http.server.ThreadingHTTPServer):
    """A server of ``files`` by path; a file in ``cut`` is promised whole and sent by half, then the line is dropped.

    One in ``stalled`` is sent by half and no further; ``moved`` says where else to look.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.stalled: set[str] = set()
        self.moved: dict[str, str] = {}
        self.closing = threading.Event()
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[self.path])
            self.end_headers()
            return
        if self.path not in self.server.files:
            self.send_error(404)
            return
        data = self.server.files[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.path in self.server.cut | self.server.stalled else data)
        if self.path in self.server.stalled:
            self.wfile.flush()
            self.server.closing.wait(10)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Run a server while a test lasts."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test its own empty cache and no data folder; the home of this user is not touched."""
    cache = tmp_path / "cache"
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(cache))
    monkeypatch.delenv("BRIDLE_DATA", raising=False)
    return cache
