"""Downloads that are verified, atomic, and told in a sentence when they fail."""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from bridle.data.files import check_regular, content
from bridle.errors import InputError

__all__ = ["RemoteFile", "content_sum", "difference", "fetch"]

TIMEOUT = (10, 30)  # seconds to connect, and to wait for the next bytes
CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set, and how to know it."""

    name: str
    sha256: str
    length: int  # of its uncompressed content, in bytes
    hashed: str = "content"  # what the sum is of: the uncompressed "content", or the "file" as it is published
    unpacked_sha256: str = ""  # of the content, where ``sha256`` is of the file and both are known

    @property
    def content_sha256(self) -> str:
        """The sum of the uncompressed content; empty where it is not known."""
        return self.sha256 if self.hashed == "content" else self.unpacked_sha256

    @property
    def most(self) -> int:
        """The greatest length of the file in bytes: gzip adds little to what it cannot pack."""
        return self.length + self.length // 1000 + 1000

    def problem(self, path: Path) -> str:
        """Return why ``path`` is not this file, in words; empty if it is."""
        try:
            check_regular(path)
            got = file_sum(path) if self.hashed == "file" else content_sum(content(path, lambda head: self.length))
        except (OSError, ValueError) as error:
            return str(error)
        return difference(self.sha256, got)

    def holds(self, path: Path, data: bytes) -> bool:
        """Return True where ``path``, whose content is ``data``, is this file by either sum."""
        if len(data) != self.length:
            return False
        return content_sum(data) == self.content_sha256 or (self.hashed == "file" and file_sum(path) == self.sha256)


def content_sum(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def file_sum(path: Path) -> str:
    """SHA-256 of a file as it lies there."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def difference(expected: str, got: str) -> str:
    """Return how two sums differ, in words; empty if they do not."""
    return "" if got == expected else f"wrong checksum: expected sha256 {expected}, got {got}"


class Bounded:
    """A file that takes so many bytes and no more, however many a server sends."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self.file, self.left = file, most

    def write(self, data: bytes) -> None:
        """Write; ``ValueError`` where that is too much."""
        self.left -= len(data)
        if self.left < 0:
            raise InputError("it sends more than the file can have")
        self.file.write(data)

    def flush(self) -> None:
        """Nothing to do: the file is flushed where it is closed."""


class ProgressBar:
    """A bar of Rich, with the methods by which pooch moves one."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self.progress, self.task, self.total = progress, task, 0

    def update(self, count: int) -> None:
        """Move on by ``count`` bytes."""
        self.progress.update(self.task, total=self.total or None, advance=count)

    def reset(self) -> None:
        """Go back to the beginning."""
        self.progress.update(self.task, completed=0)

    def close(self) -> None:
        """Nothing to do: the progress display is closed by the one who opened it."""


def fetch(files: tuple[RemoteFile, ...], mirrors: tuple[str, ...], folder: Path, advice: str) -> None:
    """Have every file in ``folder``, downloading those that are not there or not right; mirrors are tried in turn.

    A file appears under its name only when it is whole and verified. Raises ``ValueError`` with each mirror's reason
    and ``advice`` if none delivers.
    """
    wanted = [file for file in files if file.problem(folder / file.name)]
    if not wanted:
        return
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as workshop,
            Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
        ):
            for file in wanted:
                fetch_one(file, mirrors, Path(workshop), progress, advice).replace(folder / file.name)
    except OSError as error:
        raise InputError(f"cannot keep downloads in {folder}: {error}. {advice}") from error


def fetch_one(file: RemoteFile, mirrors: tuple[str, ...], folder: Path, progress: Progress, advice: str) -> Path:
    """Download one file into ``folder`` from the first mirror that delivers it."""
    import pooch  # noqa: PLC0415  (it warns in a notebook without ipywidgets: only who downloads shall see that)

    reasons = []
    for mirror in mirrors:
        bar = ProgressBar(progress, progress.add_task(file.name, total=None))
        path = folder / file.name
        download = pooch.HTTPDownloader(
            progressbar=bar, chunk_size=CHUNK, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}
        )
        try:
            with path.open("wb") as opened:
                download(mirror + file.name, Bounded(opened, file.most), None)
            problem = file.problem(path)
        except (OSError, ValueError) as error:  # all errors of requests are OSErrors
            problem = reason(error)
        if not problem:
            return path
        reasons.append(f"  {mirror}{file.name}: {problem}")
        progress.remove_task(bar.task)
    raise InputError("\n".join([f"could not download {file.name}; tried", *reasons, advice]))


def reason(error: Exception) -> str:
    """Return what went wrong with a connection, without the layers of libraries that it went through.

    >>> reason(OSError("HTTPSConnection(host='a.org', port=443): Failed to resolve 'a.org'"))
    "Failed to resolve 'a.org'"
    """
    inner = error.args[0] if error.args else error
    return re.sub(r"^.*?Connection.*?[)>]: ", "", str(getattr(inner, "reason", inner)))
