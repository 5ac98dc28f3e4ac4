"""``audit_factory``: the set-up that a function of the user's makes, imported by its name and probed."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from torch import nn

from bridle_audit.errors import InputError
from bridle_audit.findings import Findings, Location
from bridle_audit.run.models import audit
from bridle_audit.run.subjects import recognize
from bridle_audit.wording import nearest

__all__ = ["audit_factory"]

Made = TypeVar("Made")
PARTS = ("model", "optimizer", "loss", "batch", "scheduler", "steps", "averaged", "penalty")
NOT_USER_CODE = (__file__, "importlib", "site-packages")  # in the names of files that are not the user's


def audit_factory(name: str, allow: Sequence[str] = ()) -> Findings:
    """Import ``module:factory`` from the current folder or what is installed, call it without arguments, and audit it.

    It makes a model, or several of the things that :func:`bridle.audit` takes: a tuple (model, optimizer, loss, batch),
    or a dictionary, named tuple or dataclass with these names. What it prints goes to stderr. The findings stand where
    the factory is defined.

    Raises ``ValueError`` where it cannot be imported or called, or makes something else.
    """
    with import_path(Path.cwd()):
        factory = import_object(name)
        parts = setup_parts(call_factory(factory, name), name)
        found = audit(parts.pop("model"), **parts, allow=allow)
    location = definition_location(factory)
    if location is not None:
        return Findings(replace(each, location=location) for each in found)
    return Findings(replace(each, where=f"{name}: {each.where}".removesuffix(": ")) for each in found)


@contextlib.contextmanager
def import_path(folder: Path) -> Iterator[None]:
    """Add a folder to the import path for the block, and send what the user's code prints to stderr."""
    kept = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path[:] = kept


def import_object(name: str) -> Any:
    """Import the object that ``module:factory`` names."""
    module, _, path = name.partition(":")
    held: Any = run_user_code(f"cannot import {module}", lambda: importlib.import_module(module))
    for part in path.split("."):
        if not hasattr(held, part):
            known = [each for each in dir(held) if not each.startswith("_")]
            owner = held.__name__ if isinstance(held, ModuleType | type) else type(held).__name__
            raise InputError(f"{name}: {owner} has no {part!r}{nearest(part, known)}")
        held = getattr(held, part)
    return held


def call_factory(factory: object, name: str) -> object:
    """Call a factory and return its result; a model is returned as it is."""
    if is_auditable(factory):
        return factory
    if not callable(factory):
        raise InputError(f"{name} is {type_phrase(factory)}; name a function that makes a model, or a model")
    missing = required_arguments(factory)
    if missing:
        raise InputError(f"{name} takes {', '.join(missing)}, but a factory is called without arguments")
    return run_user_code(f"{name} failed", factory)


def is_auditable(made: object) -> bool:
    """Return True for an object that can be audited by itself; a text is more likely a mistake."""
    return isinstance(made, nn.Module) or (not isinstance(made, str) and recognize(made) is not None)


def run_user_code(what: str, work: Callable[[], Made]) -> Made:
    """Run the user's code; ``InputError`` with the line of it that raised, if one does."""
    try:
        return work()
    except (Exception, SystemExit) as error:  # whatever it raises: a script may end itself when it is imported
        raise InputError(f"{what}: {type(error).__name__}: {error}{user_code_line(error)}") from error


def user_code_line(error: BaseException) -> str:
    """Return the last line of the user's own code that an error went through, in brackets; empty without one."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if not any(part in each.filename for part in NOT_USER_CODE)]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def required_arguments(factory: Callable[..., object]) -> list[str]:
    """Return the names of the arguments that a factory must be given."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # what is written in C may not say
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in optional]


def setup_parts(made: object, name: str) -> dict[str, Any]:
    """Return the parts of a set-up, by the names of ``audit``'s arguments."""
    parts = named_parts(made)
    if parts is None:
        raise InputError(
            f"{name} made {type_phrase(made)}; expected a torch.nn.Module, or a tuple, dictionary, named tuple or "
            f"dataclass with {', '.join(PARTS)}"
        )
    for each in parts:
        if each not in PARTS:
            raise InputError(f"{name} made {each!r}, which audit does not take{nearest(str(each), list(PARTS))}")
    if not is_auditable(parts.get("model")):
        found = type_phrase(parts["model"]) if "model" in parts else "missing"
        raise InputError(f"{name}: the model that it should make is {found}; expected a torch.nn.Module")
    return parts


def named_parts(made: object) -> dict[str, Any] | None:
    """Return the parts of a model alone, a tuple, a mapping or a dataclass, by name; None for anything else."""
    if is_auditable(made):
        return {"model": made}
    if isinstance(made, Mapping):
        return dict(made)
    if isinstance(made, tuple) and hasattr(made, "_asdict"):
        return dict(made._asdict())
    if isinstance(made, tuple | list) and 0 < len(made) <= len(PARTS):
        return dict(zip(PARTS, made, strict=False))
    if dataclasses.is_dataclass(made) and not isinstance(made, type):
        return {each.name: getattr(made, each.name) for each in dataclasses.fields(made)}
    return None


def type_phrase(thing: object) -> str:
    """Return the type of an object, as part of a sentence."""
    return "None" if thing is None else f"of type {type(thing).__name__}"


def definition_location(factory: Any) -> Location | None:
    """Return the location of a definition, its file relative to the current folder if it is below; None if unknown."""
    try:
        file = Path(inspect.getsourcefile(factory) or "")
        lines, first = inspect.getsourcelines(factory)
    except (TypeError, OSError):
        return None
    folder = Path.cwd()
    shown = file.relative_to(folder) if file.is_relative_to(folder) else file
    return Location(str(shown), first, 1, first, len(lines[0].rstrip()) + 1)
