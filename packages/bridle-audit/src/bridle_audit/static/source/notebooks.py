"""A notebook's code cells as one text: what they print is left out, IPython's own syntax taken out."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any

from bridle_audit.static.source.magics import to_python
from bridle_audit.static.source.parsing import Cell, Source, Unreadable, is_python_2, parse

__all__ = ["read_notebook"]


def read_notebook(text: str, file: str, limit: int) -> Source:
    """The code of a notebook; ``Unreadable`` if it is none, or has more than ``limit`` characters of code.

    A cell that is not Python 3 is left out, with a remark; the cells keep their numbers.
    """
    texts = list(code_cells(load_json(text, file), file))
    if sum(map(len, texts)) > limit:
        raise Unreadable(file, f"more than {limit:,} characters of code are not read")
    body: list[ast.stmt] = []
    cells: list[Cell] = []
    shifts: dict[int, int] = {}
    lines: list[str] = []
    remarks: list[str] = []
    for number, each in enumerate(texts, start=1):
        start = len(lines)
        cells.append(Cell(number, start + 1))
        code, tree, moved, remark = read_cell(each, file, number)
        remarks += [remark] if remark else []
        lines += code.split("\n")
        shifts.update({line + start: shift for line, shift in moved.items()})
        body += ast.increment_lineno(tree, start).body
    if remarks and len(remarks) == sum(1 for each in texts if each.strip()):
        raise Unreadable(file, f"none of its cells can be read as Python; the first: {remarks[0]}")
    return Source(file, "\n".join(lines), ast.Module(body, []), tuple(cells), shifts, tuple(remarks))


def read_cell(text: str, file: str, number: int) -> tuple[str, ast.Module, dict[int, int], str]:
    """A cell's code, tree, what its lines were moved by, and a remark where it is left out."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return text, parse(text, file), {}, ""
    except Unreadable:  # it may be IPython
        code, shifts = to_python(text)
    try:
        return code, parse(code, file), shifts, ""
    except Unreadable as error:
        where = f"cell {number}" if error.line is None else f"cell {number}, line {error.line}"
        if is_python_2(error):
            raise Unreadable(file, f"{where}: {error.reason}") from None
        return "\n" * text.count("\n"), ast.Module([], []), {}, f"{where}: left out: {error.reason}"


def load_json(text: str, file: str) -> dict[str, Any]:
    """The notebook's JSON; ``Unreadable`` where it is broken, or of another language."""
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(file, f"a broken notebook: it is not JSON ({error})") from None
    metadata = notebook.get("metadata") if isinstance(notebook, dict) else None
    for part in ("language_info", "kernelspec"):
        about = metadata.get(part) if isinstance(metadata, dict) else None
        language = about.get("name" if part == "language_info" else "language") if isinstance(about, dict) else None
        if isinstance(language, str) and "python" not in language.lower():
            raise Unreadable(file, f"a notebook in {language}; only Python is read")
    return notebook if isinstance(notebook, dict) else {}


def code_cells(notebook: dict[str, Any], file: str) -> Iterator[str]:
    """The text of each code cell, in order; nbformat 3 keeps them in worksheets."""
    sheets = notebook.get("worksheets")
    parts = [notebook] if not isinstance(sheets, list) else [each for each in sheets if isinstance(each, dict)]
    cells = [each.get("cells") for each in parts]
    if not any(isinstance(each, list) for each in cells):
        raise Unreadable(file, "a broken notebook: it has no cells")
    for cell in (cell for each in cells if isinstance(each, list) for cell in each):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            text = cell.get("source", cell.get("input", ""))
            yield "".join(map(str, text)) if isinstance(text, list) else str(text)
