"""The settings of the command: from the command line, else in ``[tool.bridle-audit]`` of a ``pyproject.toml``."""

from __future__ import annotations

import glob
import os
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bridle_audit.atomic_files import read_whole
from bridle_audit.errors import InputError
from bridle_audit.findings import NEVER, SEVERITIES
from bridle_audit.report import FORMS
from bridle_audit.run.selection import rule_names
from bridle_audit.wording import nearest, shortened

__all__ = ["Settings", "settings"]

FILE = "pyproject.toml"
TABLE = "bridle-audit"
LARGEST = 2**20  # bytes of a file with settings


@dataclass(frozen=True)
class Settings:
    """The options that may stand in a file, and what holds where nothing is said."""

    select: tuple[str, ...] = ()  # names of rules; empty: all
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()  # names, paths and patterns
    jobs: int = 0
    format: str = "text"
    fail_on: str = "warning"


def settings(folder: Path, **given: Any) -> Settings:
    """Returns the settings of a folder: what is given and not ``None``, in place of what the file says."""
    chosen = {name: value for name, value in given.items() if value is not None}
    for name, value in chosen.items():
        check(name, value, f"--{key_of(name)}")
    return replace(of_folder(folder), **chosen)


def of_folder(folder: Path) -> Settings:
    """The settings of the nearest file upward that has our table."""
    for each in (folder, *folder.parents):
        table = table_of(each / FILE)
        if table is not None:
            return from_table(table, each / FILE)
    return Settings()


def table_of(file: Path) -> dict[str, Any] | None:
    """Our table in a file; ``None`` where there is no such file, or no such table in it."""
    if not file.is_file():
        return None
    try:
        whole = tomllib.loads(read_whole(file, largest=LARGEST).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as TOML: {error}") from None
    tools = whole.get("tool", {})
    table = tools.get(TABLE) if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise InputError(f"{file}: tool.{TABLE} must be a table, got {kind_of(table)}")
    return table


def from_table(table: dict[str, Any], file: Path) -> Settings:
    """Settings, every key and value checked; paths to exclude lead from where the file is."""
    names = {key_of(each.name): each.name for each in fields(Settings)}
    found: dict[str, Any] = {}
    for key, value in table.items():
        said_by = f"{file}: [tool.{TABLE}] {key}"
        if key not in names:
            raise InputError(f"{said_by}: there is no such setting{nearest(key, list(names))}")
        found[names[key]] = check(names[key], value, said_by)
    found["exclude"] = tuple(from_there(each, file.parent) for each in found.get("exclude", ()))
    return Settings(**found)


def key_of(name: str) -> str:
    """A setting as it is written in a file and on the command line."""
    return name.replace("_", "-")


def from_there(pattern: str, folder: Path) -> str:
    """A pattern that is a path, as one that holds wherever the command runs."""
    return os.path.join(glob.escape(str(folder)), pattern) if "/" in pattern else pattern  # noqa: PTH118  (a pattern)


def check(name: str, value: Any, said_by: str) -> Any:
    """The value of a setting; ``ValueError``, with who has said it, where it cannot be."""
    match name:
        case "select" | "ignore" | "exclude":
            texts = list_of_texts(value, said_by)
            return texts if name == "exclude" else tuple(rule_names(said_by, texts))
        case "jobs":
            if type(value) is not int or value < 0:
                raise InputError(f"{said_by} must be how many processes (1 or more), or 0 for all cores, got {value!r}")
        case _:
            known = tuple(FORMS) if name == "format" else (*SEVERITIES, NEVER)
            if value not in known:
                raise InputError(f"{said_by} must be one of {', '.join(known)}, got {shown(value)}")
    return value


def list_of_texts(value: Any, said_by: str) -> tuple[str, ...]:
    """Several texts; ``ValueError`` for anything else."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise InputError(f'{said_by} must be a list of texts, as in ["..."], got {shown(value)}')
    if "" in value:
        raise InputError(f"{said_by}: an empty text names nothing; leave it out")
    return tuple(value)


def shown(value: Any) -> str:
    """A value as an error repeats it."""
    return shortened(value) if isinstance(value, str) else f"{kind_of(value)} {shortened(str(value))}"


def kind_of(value: Any) -> str:
    """Returns TOML's name of a value's type."""
    kinds = {
        dict: "a table",
        list: "a list",
        tuple: "a list",
        str: "a text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return kinds.get(type(value), "a date")
