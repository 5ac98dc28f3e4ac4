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
from typing import Any

from torch import nn

from bridle_audit.errors import InputError
from bridle_audit.findings import Findings, Place
from bridle_audit.run.models import audit
from bridle_audit.run.subjects import recognized
from bridle_audit.wording import nearest

PARTS = ("model", "optimizer", "loss", "batch", "scheduler", "steps", "averaged", "penalty")
FOREIGN = (__file__, "importlib", "site-packages")  # parts of the names of files that are not the user's


def audit_factory(name: str, allow: Sequence[str] = ()) -> Findings:
    """Import ``module:factory`` from the current folder or what is installed, call it without arguments, and audit it.

    It makes a model, or several of the things that :func:`bridle.audit` takes: a tuple (model, optimizer, loss, batch),
    or a dictionary, named tuple or dataclass with these names. What it prints goes to stderr. The findings stand where
    the factory is defined.

    Raises ``ValueError`` where it cannot be imported or called, or makes something else.
    """
    with importable(Path.cwd()):
        factory = imported(name)
        parts = parts_of(made_by(factory, name), name)
        found = audit(parts.pop("model"), **parts, allow=allow)
    place = place_of(factory)
    if place is not None:
        return Findings(replace(each, place=place) for each in found)
    return Findings(replace(each, where=f"{name}: {each.where}".removesuffix(": ")) for each in found)


@contextlib.contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Within, modules are found in that folder as well, and what the user's code prints goes to stderr."""
    kept = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path[:] = kept


def imported(name: str) -> Any:
    """Imports the object that ``module:factory`` names."""
    module, _, path = name.partition(":")
    held: Any = guarded(f"cannot import {module}", lambda: importlib.import_module(module))
    for part in path.split("."):
        if not hasattr(held, part):
            known = [each for each in dir(held) if not each.startswith("_")]
            owner = held.__name__ if isinstance(held, ModuleType | type) else type(held).__name__
            raise InputError(f"{name}: {owner} has no {part!r}{nearest(part, known)}")
        held = getattr(held, part)
    return held


def made_by(factory: Any, name: str) -> Any:
    """Calls a factory and returns its result; a model is returned as it is."""
    if is_subject(factory):
        return factory
    if not callable(factory):
        raise InputError(f"{name} is {described(factory)}; name a function that makes a model, or a model")
    missing = without_default(factory)
    if missing:
        raise InputError(f"{name} takes {', '.join(missing)}, but a factory is called without arguments")
    return guarded(f"{name} failed", factory)


def is_subject(made: Any) -> bool:
    """Returns True for what is audited without anything beside it; a text is more likely a mistake."""
    return isinstance(made, nn.Module) or (not isinstance(made, str) and recognized(made) is not None)


def guarded(what: str, work: Callable[[], Any]) -> Any:
    """Runs the user's code; ``ValueError`` with the line where it stopped, if it does."""
    try:
        return work()
    except (Exception, SystemExit) as error:  # whatever it raises: a script may end itself when it is imported
        raise InputError(f"{what}: {type(error).__name__}: {error}{spot(error)}") from error


def spot(error: BaseException) -> str:
    """The last line of the user's own code that an error went through; nothing where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if not any(part in each.filename for part in FOREIGN)]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def without_default(factory: Callable[..., Any]) -> list[str]:
    """The arguments that a factory must be given."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # what is written in C may not say
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in optional]


def parts_of(made: Any, name: str) -> dict[str, Any]:
    """Returns the parts of a set-up by the names that ``audit`` takes."""
    parts = named_parts(made)
    if parts is None:
        raise InputError(
            f"{name} made {described(made)}; expected a torch.nn.Module, or a tuple, dictionary, named tuple or "
            f"dataclass with {', '.join(PARTS)}"
        )
    for each in parts:
        if each not in PARTS:
            raise InputError(f"{name} made {each!r}, which audit does not take{nearest(str(each), list(PARTS))}")
    if not is_subject(parts.get("model")):
        found = described(parts["model"]) if "model" in parts else "missing"
        raise InputError(f"{name}: the model that it should make is {found}; expected a torch.nn.Module")
    return parts


def named_parts(made: Any) -> dict[str, Any] | None:
    """A model alone, or several things by name; None for anything else."""
    if is_subject(made):
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


def described(thing: Any) -> str:
    """Returns the type of an object, as part of a sentence."""
    return "None" if thing is None else f"of type {type(thing).__name__}"


def place_of(factory: Any) -> Place | None:
    """Returns the place of a definition, from the current folder where it is below it; None for others."""
    try:
        file = Path(inspect.getsourcefile(factory) or "")
        lines, first = inspect.getsourcelines(factory)
    except (TypeError, OSError):
        return None
    here = Path.cwd()
    shown = file.relative_to(here) if file.is_relative_to(here) else file
    return Place(str(shown), first, 1, first, len(lines[0].rstrip()) + 1)
