"""From paths to sources: which files are read, and what is said of those that cannot be."""

from __future__ import annotations

import io
import os
import re
import stat
import tokenize
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bridle_audit.static.source.magics import to_python
from bridle_audit.static.source.notebooks import read_notebook
from bridle_audit.static.source.parsing import Source, Unreadable, is_python_2, parse

__all__ = ["find_files", "source_of_file", "source_of_text"]

Excluded = Callable[[Path], bool]
SUFFIXES = (".py", ".ipynb")
SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "env", "site-packages", "dist-packages", "build"})
CODE_LIMIT = 2_000_000  # bytes, or characters in a notebook: no program that someone wrote is that long
HANDED_OVER = re.compile(r"/dev/(stdin|fd/\d+)|/proc/self/fd/\d+")  # pipes at whose other end the shell has a writer
NOTEBOOK_LIMIT = 50_000_000  # bytes, with pictures and all that was printed


def find_files(paths: Iterable[str | Path], excluded: Excluded = lambda _: False) -> Iterator[Path]:
    """The Python files and notebooks below folders, sorted, each once; what is no folder is taken as it is.

    Hidden folders, environments and builds are left out, unless one of ``paths`` names them; what is ``excluded`` also
    where it is named.
    """
    seen: set[Path] = set()
    for path in map(Path, paths):
        for found in files_below(path, excluded) if path.is_dir() else [path]:
            if found not in seen and not excluded(found):
                seen.add(found)
                yield found


def files_below(folder: Path, excluded: Excluded) -> Iterator[Path]:
    """The files of a folder and of those in it that are worth reading."""
    for root, folders, files in os.walk(folder):
        kept = [each for each in folders if each not in SKIPPED and not each.startswith(".")]
        folders[:] = sorted(each for each in kept if not Path(root, each, "pyvenv.cfg").exists())
        folders[:] = [each for each in folders if not excluded(Path(root, each))]
        yield from (Path(root, each) for each in sorted(files) if each.endswith(SUFFIXES))


def source_of_file(path: str | Path) -> Source:
    """The source of a script or notebook; ``Unreadable`` with a sentence where that cannot be."""
    path, file = Path(path), str(path)
    is_notebook = path.suffix == ".ipynb"
    limit = NOTEBOOK_LIMIT if is_notebook else CODE_LIMIT
    try:
        about = path.stat()
        if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)) and not HANDED_OVER.fullmatch(file):
            raise Unreadable(file, "not a regular file, but a pipe or a device")
        if about.st_size > limit:
            raise Unreadable(file, f"{about.st_size / 1e6:.1f} MB; files of more than {limit / 1e6:g} MB are not read")
        with path.open("rb") as opened:
            data = opened.read(limit)
    except OSError as error:
        raise Unreadable(file, f"cannot be opened: {(error.strerror or str(error)).lower()}") from None
    text = decode(data, file)
    return read_notebook(text, file, CODE_LIMIT) if is_notebook else source_of_text(text, file)


def source_of_text(text: str, file: str) -> Source:
    """The source of a script; ``Unreadable`` where it is not Python 3."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return Source(file, text, parse(text, file))
    except Unreadable as error:
        code, shifts = to_python(text)  # a script may have been a notebook
        if code == text or is_python_2(error):
            raise
    return Source(file, code, parse(code, file), shifts=shifts)


def decode(data: bytes, file: str) -> str:
    """The text of a file in the encoding that it says, or UTF-8."""
    if b"\0" in data:
        raise Unreadable(file, "a binary file: it has NUL bytes")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise Unreadable(
            file, "a binary file, or text in another encoding than UTF-8 or the one that it says"
        ) from None
