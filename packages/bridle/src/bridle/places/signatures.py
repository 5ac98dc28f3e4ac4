"""The forms in which a place calls its formulas, and the check of a regularizer's own formulas against them."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from bridle.errors import InputError
from bridle_audit.wording import nearest

__all__ = ["Declared", "Form", "Signature", "check_form", "signature_of"]

IN_ORDER = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Form:
    """One formula of a place: its arrays in order, and how many results come back.

    In ``arrays`` a star stands before what the class itself declares: ``"h *noise *parameters *state"``.
    """

    name: str
    arrays: str
    results: int
    keeps: bool = False  # whether the new state is returned besides, where there is one
    out: bool = False  # whether it can write its result into an array that it is given
    knobs: bool = True  # whether it takes the knobs, and the step's inputs
    serves: str = ""  # what a class must ask for to need it; nothing where all need it


@dataclass(frozen=True)
class Declared:
    """The inputs that a class declares, as its formulas have to take them."""

    place: str
    noise: int
    extra_inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    state: tuple[str, ...]  # its fields
    knobs: tuple[str, ...]  # those that the formulas take
    step_inputs: tuple[str, ...]

    def arrays(self, form: Form) -> list[str]:
        """Return the names of the arguments by position; noise has names like ``noise 1``."""
        found: list[str] = []
        for each in form.arrays.split():
            if each == "*noise":
                found += ["noise"] if self.noise == 1 else [f"noise {1 + number}" for number in range(self.noise)]
            elif each == "*moved":  # by the slope, or by noise where the class takes no slope
                found += self.extra_inputs or self.arrays(Form("", "*noise", 0))
            elif each == "*state":  # its fields in one named tuple
                found += ["state"] * bool(self.state)
            else:
                found += getattr(self, each[1:]) if each.startswith("*") else [each]
        return found

    def keywords(self, form: Form) -> list[str]:
        """Return the names of the arguments by keyword."""
        return [*self.knobs, *self.step_inputs] if form.knobs else []


class Signature(NamedTuple):
    """A formula as it is written: its parameters, and the lengths of the tuples that it returns."""

    parameters: list[inspect.Parameter]
    returned: list[int]


def signature_of(formula: Callable[..., Any]) -> Signature | None:
    """Return the signature of a function; ``None`` for one written in C that does not tell."""
    try:
        parameters = inspect.signature(formula).parameters.values()
    except (TypeError, ValueError):
        return None
    return Signature(list(parameters), list(returned(formula)))


def check_form(declared: Declared, form: Form, formula: Signature) -> None:
    """Raise ``InputError`` where a formula cannot take what it is given, or returns another number of results."""
    check_arrays(declared, form, formula.parameters)
    check_keywords(declared, form, formula.parameters)
    check_results(declared, form, formula.returned)


def check_arrays(declared: Declared, form: Form, parameters: list[inspect.Parameter]) -> None:
    """Check what is given by position, in number and order."""
    given, keywords = declared.arrays(form), declared.keywords(form)
    taken = [each.name for each in parameters if each.kind in IN_ORDER]
    for name in taken:
        if name in keywords:
            raise InputError(f"{form.name}: {name} is given by its name; write it behind a star: (..., *, {name}, ...)")
    enough = len([each for each in parameters if each.kind in IN_ORDER and each.default is each.empty]) <= len(given)
    takes_any = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters)
    if not enough or (len(taken) < len(given) and not takes_any):
        raise InputError(
            f"{form.name} takes ({', '.join(taken)}) by position, but at the place {declared.place!r}, by what the "
            f"class declares, it is given ({', '.join(given)})"
        )
    for place, (name, expected) in enumerate(zip(taken, given, strict=False)):
        if name != expected and name in given:
            raise InputError(
                f"{form.name}: {name} stands at position {1 + place}, where {expected} is given; the order is "
                f"({', '.join(given)})"
            )


def check_keywords(declared: Declared, form: Form, parameters: list[inspect.Parameter]) -> None:
    """Check what is given by name: knobs, the step's inputs, and ``out``."""
    given = [*declared.keywords(form), *["out"] * form.out]
    taken = {each.name: each for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}
    for name, each in taken.items():
        if name not in given and each.default is each.empty:
            said = nearest(name, given) if given else "; this formula is given no knobs"
            raise InputError(f"{form.name} takes {name}=, which is neither a knob nor among its step_inputs{said}")
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return
    for name in given:
        if name not in taken:
            why = "where to write the result, or None" if name == "out" else "a knob, or one of its step_inputs"
            raise InputError(f"{form.name} does not take {name}= ({why}); write (..., *, {', '.join(given)})")


def check_results(declared: Declared, form: Form, returned: Iterable[int]) -> None:
    """Check how many results are returned, as far as a formula returns them one by one."""
    expected = form.results + (form.keeps and bool(declared.state))
    for found in returned:
        if found != expected:
            besides = ", the new state among them" if form.keeps and declared.state else ""
            raise InputError(f"{form.name} returns {found} results, but {expected} are expected{besides}")


def returned(formula: Callable[..., Any]) -> Iterator[int]:
    """Yield the lengths of the tuples that a function of Python's returns, read from its compiled code."""
    code = getattr(formula, "__code__", None)
    steps = code.co_code if code else b""  # an operation and its argument, a byte each, in turn
    for before, argument, operation in zip(steps[::2], steps[1::2], steps[2::2], strict=False):
        if operation == dis.opmap["RETURN_VALUE"] and before == dis.opmap["BUILD_TUPLE"]:
            yield argument
