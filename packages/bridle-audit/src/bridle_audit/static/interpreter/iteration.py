"""What a loop or a ``*`` goes over."""

from __future__ import annotations

from bridle_audit.static.interpreter.machine import Machine
from bridle_audit.static.interpreter.values import ANYTHING, Const, Container, Group, Tensor, Thing

LONGEST = 32  # lists with layers in them are followed item by item, up to here
FEW = 8  # and lists of constants up to here


def items_of(machine: Machine, thing: Thing) -> list[Thing] | None:
    """The items of what can be gone over; None where they are not known."""
    if isinstance(thing, Group):
        return list(thing.items)
    if isinstance(thing, Container):
        pairs = machine.pairs(thing)
        if thing.kind == "dict":
            return [Const(key) if not isinstance(key, Thing) else ANYTHING for key, _ in pairs]
        return [each for _, each in pairs]
    return None


def turns(machine: Machine, thing: Thing, *, at_least: int = 1) -> list[Thing]:
    """What a loop's variable stands for, turn by turn; ``at_least`` so many turns where the items are not known."""
    items = items_of(machine, thing)
    if items is None:
        return [thing if isinstance(thing, Tensor) else ANYTHING] * at_least
    limit = FEW if all(is_plain(each) for each in items) else LONGEST
    return (
        items if len(items) <= limit else [*items[: limit - 1], ANYTHING] if limit == LONGEST else [ANYTHING] * at_least
    )


def is_plain(thing: Thing) -> bool:
    """Whether there are only constants in it, and what is not known."""
    if isinstance(thing, Group):
        return all(is_plain(each) for each in thing.items)
    return type(thing) in (Const, Thing)
