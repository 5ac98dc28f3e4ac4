"""Iteration over abstract values, for loops and ``*``."""

from __future__ import annotations

from bridle_audit.static.interpreter.abstract_values import TOP, AbstractValue, Const, Container, Tensor, TupleValue
from bridle_audit.static.interpreter.machine import Machine

__all__ = ["FEW", "items_of", "iterations"]

LONGEST = 32  # lists with layers in them are followed item by item, up to here
FEW = 8  # and lists of constants up to here


def items_of(machine: Machine, value: AbstractValue) -> list[AbstractValue] | None:
    """The items of what can be gone over; None where they are not known."""
    if isinstance(value, TupleValue):
        return list(value.items)
    if isinstance(value, Container):
        pairs = machine.pairs(value)
        if value.kind == "dict":
            return [Const(key) if not isinstance(key, AbstractValue) else TOP for key, _ in pairs]
        return [each for _, each in pairs]
    return None


def iterations(machine: Machine, value: AbstractValue, *, at_least: int = 1) -> list[AbstractValue]:
    """Return a loop variable's values, one per iteration; ``at_least`` so many if the items are not known."""
    items = items_of(machine, value)
    if items is None:
        return [value if isinstance(value, Tensor) else TOP] * at_least
    limit = FEW if all(is_constant(each) for each in items) else LONGEST
    return items if len(items) <= limit else [*items[: limit - 1], TOP] if limit == LONGEST else [TOP] * at_least


def is_constant(value: AbstractValue) -> bool:
    """Return True if a value consists of constants and unknown values only."""
    if isinstance(value, TupleValue):
        return all(is_constant(each) for each in value.items)
    return type(value) in (Const, AbstractValue)
