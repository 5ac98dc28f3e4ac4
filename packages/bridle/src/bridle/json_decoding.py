"""Plain data, as JSON holds it, taken into dataclasses by their annotations; what does not fit is named."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from bridle.errors import InputError

__all__ = ["decode", "parse", "short_repr"]

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = TypeVar("Kind", bound="DataclassInstance")

DEEPEST = 20  # levels of lists and objects where anything may stand
TYPE_NAMES = {int: "a whole number", str: "text", bool: "true or false", dict: "an object", list: "a list"}


def parse(text: bytes) -> Any:
    """JSON in UTF-8; ``ValueError`` for anything else, "NaN" and what is nested without end among it."""
    try:
        return json.loads(text.decode(), parse_constant=reject_constant)
    except UnicodeDecodeError as error:
        raise InputError(f"it is no text in UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise InputError(f"it is no JSON: {error}") from error
    except RecursionError as error:
        raise InputError("it is nested too deep") from error


def reject_constant(constant: str) -> None:
    """``ValueError`` for what JSON has no number for."""
    raise InputError(f"{constant} is no number of JSON")


def decode(kind: type[Kind], data: object, where: str = "") -> Kind:
    """A dataclass from an object of JSON; ``ValueError`` that names what is missing or of another type.

    A number that is null was not finite, and becomes nan. Keys that the dataclass does not have are passed over: they
    are from a later bridle that only added them. Fields that do not compare are no data, and keep their defaults.
    """
    if not isinstance(data, dict):
        raise InputError(f"{where or 'it'} must be an object, got {short_repr(data)}")
    inside = f"{where}." if where else ""
    values = {}
    for field in compared_fields(kind):
        if field.name in data:
            values[field.name] = decode_value(field_types(kind)[field.name], data[field.name], f"{inside}{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"{inside}{field.name} is missing")
    return kind(**values)


@cache
def field_types(kind: type[Any]) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return get_type_hints(kind)


@cache
def parts_of(kind: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """Return an annotation's origin and arguments, and whether it is a dataclass: found anew, that is half the time."""
    return get_origin(kind), get_args(kind), isinstance(kind, type) and dataclasses.is_dataclass(kind)


@cache
def compared_fields(kind: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of a dataclass that are data."""
    return tuple(each for each in dataclasses.fields(kind) if each.compare)


def decode_value(kind: Any, value: Any, where: str) -> Any:
    """``value`` as an annotation says it; ``ValueError`` where it is something else."""
    of, parts, is_class = parts_of(kind)
    if of is UnionType:  # of something and None
        return None if value is None else decode_value(parts[0], value, where)
    if is_class:
        return decode(kind, value, where)
    if kind in (Any, float):
        return check_json(value, where, DEEPEST) if kind is Any else decode_number(value, where)
    if not isinstance(value, of or kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{where} must be {TYPE_NAMES[of or kind]}, got {short_repr(value)}")
    if of is dict:
        return {name: decode_value(parts[1], each, f"{where}.{name}") for name, each in value.items()}
    if of is list:
        return decode_list(parts[0], value, where)
    return check_json(value, where, 0)


def decode_list(kind: Any, value: list[Any], where: str) -> list[Any]:
    """A list of such values."""
    if kind is float and are_plain(value):
        return value
    return [decode_value(kind, each, f"{where}[{index}]") for index, each in enumerate(value)]


def are_plain(values: list[Any]) -> bool:
    """Return True for finite numbers: most of what is read are curves, too long to look at their points one by one."""
    if not set(map(type, values)) <= {float, int}:
        return False
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # a whole number out of the range of numbers
        return False


def decode_number(value: object, where: str) -> float:
    """A number, or nan for null."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where} must be a number, got {short_repr(value)}")
    found: float = check_json(value, where, 0)  # a whole number stays one, so that it is written as it was read
    return found


def check_json(value: object, where: str, levels: int) -> Any:
    """Anything that JSON holds, if its numbers are finite and it is not nested deeper than so many levels."""
    if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
        raise InputError(f"{where} is out of the range of numbers")
    if isinstance(value, dict | list):
        if not levels:
            raise InputError(f"{where} is nested too deep")
        for each in value.values() if isinstance(value, dict) else value:
            check_json(each, where, levels - 1)
    return value


def short_repr(value: object) -> str:
    """A value in a sentence, cut where it is long."""
    if isinstance(value, dict | list):
        return TYPE_NAMES[type(value)]
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
