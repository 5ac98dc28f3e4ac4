"""The check of a regularizer's class when it is defined: what would be passed over in silence gets a sentence."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from bridle.errors import InputError
from bridle.knobs import Knob, check_declared, knob_of_field
from bridle.places.noise import Draw
from bridle.places.signatures import Declared, check_form, signature_of
from bridle_audit.wording import nearest, shortened

__all__ = ["check_definition"]

ALIKE = 0.8  # from this likeness on, a name is taken for a misspelt one
DECLARED = ("noise", "extra_inputs", "parameters", "state")  # what a class adds to the arrays of its place
ANSWERED = ("in_network", "on_parameters", "on_outputs", "several_networks", "second_pass")  # by the base of each kind
WRITTEN = {"name", "out"}  # words of written recipes and of the engine's calls


def check_definition(leaf: type[Any], root: type[Any]) -> None:
    """Raise ``InputError`` for the first thing that a class declares and its place cannot take.

    ``root`` is the class from which the bases of all places come.
    """
    try:
        check_attributes(leaf, root)
        declared = read(leaf)
        check_admitted(leaf, declared)
        for form in leaf.forms:
            if form.serves in ("", *declared.extra_inputs) or hasattr(leaf, form.name):
                signature = signature_of(formula_of(leaf, form.name))
                if signature:
                    check_form(declared, form, signature)
        check_complete(leaf)
    except ValueError as error:
        raise InputError(f"{leaf.__name__}: {error}") from None


def check_attributes(leaf: type[Any], root: type[Any]) -> None:
    """Check the names that a class defines: none misspelt or of another kind of regularizer, switches True or False."""
    if "place" in vars(leaf):
        base: type[Any] = leaf.__mro__[1]
        raise InputError(f"its base says that its place is {base.place!r}; leave `place` out")
    known = attributes(leaf.__mro__[1:])
    bases = [each for each in subclasses(root) if ABC in each.__bases__]
    elsewhere = attributes(bases)
    general: tuple[type, ...] = root.__mro__
    switches = {name for base in general for name, value in own_attributes(base).items() if isinstance(value, bool)}
    special = [base for base in leaf.__mro__[1:] if base not in general]
    foreign = switches - {name for base in special for name in own_attributes(base)}
    for name, value in vars(leaf).items():
        if name.startswith("_") or isinstance(value, Field):
            continue
        if name in ANSWERED:
            raise InputError(f"its base answers {name}; leave it out")
        if name in foreign:
            raise InputError(f"{name} means nothing for this kind of regularizer; leave it out")
        if name in known:
            if isinstance(known[name], bool) and not isinstance(value, bool):
                raise InputError(f"{name} must be True or False, got {shortened(repr(value))}")
        elif name in elsewhere:
            raise InputError(f"{name} means nothing for this kind of regularizer; leave it out")
        elif near := get_close_matches(name.lower(), list(known), n=1, cutoff=ALIKE):
            raise InputError(f"nothing reads {name}; did you mean {near[0]}?")


def subclasses(one: type[Any]) -> Iterator[type[Any]]:
    """Yield all classes below one."""
    for each in one.__subclasses__():
        yield each
        yield from subclasses(each)


def attributes(classes: Iterable[type]) -> dict[str, Any]:
    """Return the public names that classes of bridle declare, with their values, None where there is none."""
    found: dict[str, Any] = {}
    for each in classes:
        found = own_attributes(each) | found
    return found


@cache
def own_attributes(one: type) -> dict[str, Any]:
    """Return the public names that one class declares."""
    if not one.__module__.startswith("bridle."):
        return {}
    names = {**dict.fromkeys(inspect.get_annotations(one)), **vars(one)}
    return {name: value for name, value in names.items() if not name.startswith("_")}


def read(leaf: type[Any]) -> Declared:
    """Return what a class declares; ``InputError`` for a part that cannot be read."""
    if not (isinstance(leaf.noise, tuple) and all(isinstance(each, Draw) for each in leaf.noise)):
        raise InputError(f'noise is a tuple of draws such as (Draw("normal"),), got {shortened(repr(leaf.noise))}')
    words_of(leaf, "known_as", None)
    knobs = knobs_of(leaf)
    return Declared(
        leaf.place,
        len(leaf.noise),
        words_of(leaf, "extra_inputs", allowed(leaf, "extra_inputs")),
        parameter_names(leaf),
        state_fields(leaf),
        tuple(k.name for k in knobs if k.is_number or k.in_formula),
        words_of(leaf, "step_inputs", allowed(leaf, "step_inputs")),
    )


def allowed(leaf: type[Any], name: str) -> tuple[str, ...]:
    """Return the words that a class may have in ``extra_inputs`` or ``step_inputs``: the Literals of its base."""
    for base in leaf.__mro__[1:]:
        if name in inspect.get_annotations(base):
            words: tuple[str, ...] = literals(get_type_hints(base)[name])
            if words:
                return words if ABC in base.__bases__ else ()
    return ()


def literals(hint: Any) -> tuple[str, ...]:
    """Return all words of the Literals within an annotation."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(word for part in get_args(hint) for word in literals(part))


def words_of(leaf: type[Any], name: str, known: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return a tuple of words that a class declares; ``InputError`` for one that is not among the known."""
    words = getattr(leaf, name)
    if not (isinstance(words, tuple) and all(isinstance(each, str) for each in words)):
        raise InputError(f'{name} is a tuple of words such as ("step",), got {shortened(repr(words))}')
    for each in words:
        if known is not None and each not in known:
            said = nearest(each, list(known)) if known else ""
            raise InputError(f"{name} has {shortened(each)}, which this kind of regularizer is not given{said}")
    return words


def parameter_names(leaf: type[Any]) -> tuple[str, ...]:
    """Return the names of the learned parameters; ``InputError`` unless each has a start."""
    parameters = leaf.parameters
    if not isinstance(parameters, Mapping):
        got = shortened(repr(parameters))
        raise InputError(f'parameters is a dictionary of starts such as {{"weight": 1.0}}, got {got}')
    for name, start in parameters.items():
        if not (isinstance(name, str) and name.isidentifier()):
            raise InputError(f"parameters has the key {shortened(repr(name))}, which is no name")
        check_start("parameters", name, start)
    return tuple(parameters)


def state_fields(leaf: type[Any]) -> tuple[str, ...]:
    """Return the fields of the state; ``InputError`` unless it is a named tuple of starts."""
    state: Any = leaf.state
    if not (isinstance(state, tuple) and hasattr(state, "_fields")):
        got = shortened(repr(state))
        raise InputError(f"state is a named tuple of starts such as RunningStatistics(0.0, 1.0), got {got}")
    for name, start in zip(state._fields, state, strict=True):
        check_start("state", name, start)
    return tuple(state._fields)


def check_start(what: str, name: str, start: object) -> None:
    """Raise ``InputError`` for what a parameter or a state cannot start at."""
    if isinstance(start, bool) or not (isinstance(start, int | float) or callable(start)):
        got = shortened(repr(start))
        raise InputError(f"{what}: {name} begins at a number or a function of the weight, got {got}")


def knobs_of(leaf: type[Any]) -> tuple[Knob, ...]:
    """Return all knobs, those of the bases first; ``InputError`` for a field that is none."""
    found, annotated = inherited(leaf), inspect.get_annotations(leaf)
    taken = {name for base in leaf.__mro__[1:] for name in (*vars(base), *inspect.get_annotations(base))}
    reserved = (taken | WRITTEN) - set(found)
    for name, value in vars(leaf).items():
        if isinstance(value, Field) and name not in annotated:
            raise InputError(f"the knob {name} has no type; write `{name}: Strength = knob(...)`")
    for name, kind in annotated.items():
        if is_field(kind):
            value = vars(leaf).get(name)
            if not (isinstance(value, Field) and "knob" in value.metadata):
                raise InputError(
                    f"{name} is a field and no knob; declare it as `{name}: Strength = knob(...)`, or write ClassVar "
                    f"in front of its type"
                )
            if name in reserved:
                raise InputError(f"no knob can be called {name}, which has a meaning for every regularizer")
            found[name] = value
    knobs = tuple(knob_of_field(each, name) for name, each in found.items() if "knob" in each.metadata)
    for each in knobs:
        check_declared(each)
    return knobs


def inherited(leaf: type[Any]) -> dict[str, Field[Any]]:
    """Return the fields that a class inherits."""
    return {each.name: each for base in reversed(leaf.__mro__[1:]) if is_dataclass(base) for each in fields(base)}


def is_field(kind: object) -> bool:
    """Return True for the annotation of a field: not of a class variable, nor the mark before keywords."""
    text = kind if isinstance(kind, str) else getattr(kind, "__qualname__", str(kind))
    return "ClassVar" not in text and text.rpartition(".")[2] != "KW_ONLY"


def check_admitted(leaf: type[Any], declared: Declared) -> None:
    """Check that this kind of regularizer is given all that is declared, and that no two things have one name."""
    arrays = " ".join(form.arrays for form in leaf.forms)
    for name in DECLARED:
        if getattr(leaf, name) and f"*{name}" not in arrays and not (name == "extra_inputs" and allowed(leaf, name)):
            raise InputError(f"this kind of regularizer has no {name}; see bridle.places.{leaf.place}")
    names = [*declared.extra_inputs, *declared.parameters, *declared.state, *declared.knobs, *declared.step_inputs]
    for each in names:
        if names.count(each) > 1:
            raise InputError(f"{each} is declared twice, among {', '.join(names)}")


def formula_of(leaf: type[Any], name: str) -> Any:
    """Return a formula of a class; ``InputError`` where it is missing, or would be given the regularizer itself."""
    held = next((vars(each)[name] for each in leaf.__mro__ if name in vars(each)), None)
    if held is None or getattr(held, "__isabstractmethod__", False):
        raise InputError(f"{name} is missing; write `{name} = staticmethod(...)`, see bridle.places.{leaf.place}")
    if not isinstance(held, staticmethod):
        raise InputError(f"{name} must be a staticmethod, a function of arrays and knobs alone")
    return held.__func__


def check_complete(leaf: type[Any]) -> None:
    """Raise ``InputError`` where something is missing that a base leaves open."""
    for name in sorted({name for base in leaf.__mro__[1:] for name in getattr(base, "__abstractmethods__", ())}):
        if getattr(getattr(leaf, name), "__isabstractmethod__", False):
            raise InputError(f"{name} is missing; see bridle.places.{leaf.place}")
