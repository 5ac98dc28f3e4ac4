"""Python's own functions, and containers of layers."""

from __future__ import annotations

from typing import Any

from bridle_audit.static.constants.folding import CONVERSIONS, UNKNOWN, call_or_unknown
from bridle_audit.static.constants.values import last_name
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Const,
    Container,
    Frame,
    Instance,
    LayerValue,
    Partial,
    SuperValue,
    TupleValue,
)
from bridle_audit.static.interpreter.iteration import FEW, items_of
from bridle_audit.static.interpreter.machine import Machine
from bridle_audit.static.interpreter.transfers import transfer


@transfer("torch.nn.Sequential", "keras.Sequential", "keras.models.Sequential")
def sequential(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``nn.Sequential(a, b)``, with the layers of an ordered dictionary or of a list as Keras takes it."""
    del frame
    first = arguments.get(0, "layers")
    if isinstance(first, Container) and first.kind != "sequential" and len(arguments.positional) <= 1:
        pairs = machine.pairs(first)
        return machine.container("sequential", arguments.node, [each for _, each in pairs], [key for key, _ in pairs])
    unknown = [TOP] if arguments.is_open else []
    return machine.container("sequential", arguments.node, [*arguments.positional, *unknown])


@transfer("torch.nn.ModuleList", "list", "tuple")
def listed(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``nn.ModuleList([...])``, ``list(...)``."""
    del frame
    first = arguments.get(0, "modules")
    items = items_of(machine, first) if first is not None else []
    return machine.container("list", arguments.node, items) if items is not None else TOP


@transfer("torch.nn.ModuleDict", "dict", "collections.OrderedDict", "typing.OrderedDict")
def mapped(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``dict(a=b)``, ``OrderedDict([("a", b)])``, ``nn.ModuleDict({"a": b})``."""
    del frame
    first = arguments.get(0, "modules")
    pairs: list[tuple[Any, AbstractValue]] = []
    if isinstance(first, Container) and first.kind == "dict":
        pairs = list(machine.pairs(first))
    elif isinstance(first, Container):
        both = [each.items for _, each in machine.pairs(first) if isinstance(each, TupleValue) and len(each.items) == 2]
        pairs = [(key.value if isinstance(key, Const) else key, each) for key, each in both]
    pairs += list(arguments.keywords.items()) if first is None else []
    return machine.container("dict", arguments.node, [each for _, each in pairs], [key for key, _ in pairs])


@transfer("range")
def ranged(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``range(3)``."""
    del frame
    values = [each.value for each in arguments.positional if isinstance(each, Const) and isinstance(each.value, int)]
    numbers = call_or_unknown(range, *values) if len(values) == len(arguments.positional) and values else UNKNOWN
    if not isinstance(numbers, range) or len(numbers) > FEW:
        return TOP
    return machine.container("list", arguments.node, map(Const, numbers))


@transfer("zip")
def zipped(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``zip(a, b)``."""
    del frame
    lists = [items_of(machine, each) for each in arguments.positional]
    known = [each for each in lists if each is not None]
    if not known:
        return TOP
    length = min(map(len, known))
    rows = zip(*(each if each is not None else [TOP] * length for each in lists), strict=False)
    return machine.container("list", arguments.node, map(TupleValue, rows))


@transfer("enumerate")
def enumerated(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``enumerate(a)``."""
    del frame
    items = items_of(machine, arguments.positional[0]) if arguments.positional else None
    if items is None:
        return TOP
    return machine.container("list", arguments.node, [TupleValue((Const(n), each)) for n, each in enumerate(items)])


@transfer("reversed")
def backwards(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``reversed(a)``."""
    del frame
    items = items_of(machine, arguments.positional[0]) if arguments.positional else None
    return machine.container("list", arguments.node, items[::-1]) if items is not None else TOP


@transfer("len")
def length(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``len(a)``."""
    del frame
    first = arguments.get(0)
    items = items_of(machine, first) if first is not None else None
    return Const(len(items)) if items is not None else TOP


@transfer("super")
def make_super(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``super()``."""
    del machine, arguments
    around: Frame | None = frame
    while around is not None and around.owner is None:
        around = around.outer
    if around is None or around.owner is None or around.receiver is None:
        return TOP
    return SuperValue(around.receiver, around.owner)


@transfer("functools.partial")
def make_partial(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``partial(f, a)``."""
    del machine, frame
    return Partial(arguments.positional[0], arguments) if arguments.positional else TOP


@transfer("getattr")
def attribute_by_name(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``getattr(a, "b")``."""
    del frame
    name = arguments.get(1)
    if not arguments.positional or not isinstance(name, Const) or not isinstance(name.value, str):
        return TOP
    return machine.attribute(arguments.positional[0], name.value, arguments.node)


@transfer("setattr")
def set_by_name(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``setattr(a, "b", c)``."""
    del frame
    owner, name = arguments.get(0), arguments.get(1)
    if isinstance(owner, Instance | LayerValue) and isinstance(name, Const) and len(arguments.positional) == 3:
        machine.heap[owner.number, str(name.value)] = arguments.positional[2]
    return Const(None)


@transfer("torch.utils.checkpoint.checkpoint")
def checkpointed(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``checkpoint(f, x)`` calls f with x."""
    if not arguments.positional:
        return TOP
    rest = Arguments(arguments.node, arguments.positional[1:], {}, arguments.known)
    return machine.invoke(arguments.positional[0], rest, frame)


@transfer("int", "float", "str", "bool")
def converted(machine: Machine, arguments: Arguments, frame: Frame) -> AbstractValue:
    """``int(a)``, ``float(a)``, ``str(a)``, ``bool(a)``."""
    del machine, frame
    first, name = arguments.get(0), last_name(arguments.node.func)
    value = (
        call_or_unknown(CONVERSIONS[name], first.value) if isinstance(first, Const) and name in CONVERSIONS else UNKNOWN
    )
    return Const(value) if value is not UNKNOWN else TOP
