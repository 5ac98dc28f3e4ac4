"""Objects other than models that can be audited: other packages register them along with their rules.

A package registers a function under the entry point group ``bridle_audit.subjects``. The name is the kind of evidence,
and of the files that hold a rule's checks of it; the function takes any object and returns the evidence, or ``None``
where the object is something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from bridle_audit.errors import InputError
from bridle_audit.rule import SUBJECTS

__all__ = ["other_subjects", "recognize"]

Recognizer = Callable[[object], object | None]


@cache
def recognizers() -> Mapping[str, Recognizer]:
    """Return the registered functions by kind; ``InputError`` for one that cannot be imported."""
    return {
        each.name: load_recognizer(each) for each in sorted(entry_points(group=SUBJECTS), key=lambda each: each.name)
    }


def load_recognizer(entry: EntryPoint) -> Recognizer:
    """Import the function that an entry point names."""
    try:
        found: Recognizer = entry.load()
    except Exception as error:  # whatever somebody else's package raises when it is imported
        owner = entry.dist.name if entry.dist else entry.value
        raise InputError(
            f"{owner} registers {entry.name!r} to be audited, and {entry.value} cannot be imported "
            f"({type(error).__name__}: {error}); mend or uninstall that package"
        ) from error
    return found


def recognize(subject: object) -> tuple[str, object] | None:
    """Return the kind of evidence that an object is, and the evidence; None if no package knows it."""
    for kind, recognizer in recognizers().items():
        evidence = recognizer(subject)
        if evidence is not None:
            return kind, evidence
    return None


def other_subjects() -> str:
    """Return what else can be audited, as the end of a phrase: ``", a recipe or a study"``."""
    kinds = [f"a {each}" for each in recognizers()]
    return f"{''.join(f', {each}' for each in kinds[:-1])} or {kinds[-1]}" if kinds else ""
