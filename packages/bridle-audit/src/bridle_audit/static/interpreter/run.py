"""A whole program followed: the module from top to bottom, then the functions and methods that nothing in it calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial

from bridle_audit.static.facts.calls import Call
from bridle_audit.static.facts.classes import is_module, known_base, method_of
from bridle_audit.static.interpreter import calls as calling
from bridle_audit.static.interpreter import expressions, methods, statements
from bridle_audit.static.interpreter.flow import Ops, origin
from bridle_audit.static.interpreter.library import DATA
from bridle_audit.static.interpreter.state import Exhausted, Machine
from bridle_audit.static.interpreter.values import (
    ANYTHING,
    Arguments,
    Class,
    Container,
    Frame,
    Function,
    Group,
    Instance,
    Layer,
    Tensor,
    Thing,
)
from bridle_audit.static.scopes.index import Function as Definition
from bridle_audit.static.scopes.index import defaults
from bridle_audit.static.syntax import Syntax

MODULE, ENTRY, ALL = (
    40_000,
    8_000,
    200_000,
)  # how many expressions are evaluated: of the module, of a function, of a file
LOSS_NAME = re.compile(r"(?:Loss|Criterion|Criteria)$|^(?:Loss|Criterion)")
MENTIONS = re.compile(r"(?i)loss|crit|entropy|objective|nll|bce|mse")
INSTANCES = 3  # of a class, on which the methods are followed that nothing calls


@dataclass(frozen=True, eq=False)
class Lost:
    """A loss, as it was met."""

    kind: str
    node: ast.Call
    constructor: Call
    logits: Ops
    network: Thing | None
    no_grad: bool

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others."""
        ops = tuple((op.name, op.node) for op in self.logits)
        network = self.network.of.node if isinstance(self.network, Instance) else self.network
        return (self.node, self.constructor.node, ops, network, self.no_grad)


@dataclass(frozen=True, eq=False)
class Sketch:
    """A network, as it was met."""

    name: str
    node: ast.AST
    flow: Ops
    thing: Thing | ast.ClassDef


@dataclass(eq=False)
class Trace:
    """What following a program has shown."""

    losses: list[Lost] = field(default_factory=list)
    networks: list[Sketch] = field(default_factory=list)


class Tracer(Machine):
    """Follows a program once."""

    def __init__(self, syntax: Syntax) -> None:
        super().__init__(syntax)
        self.trace = Trace()
        self.keys: set[tuple[object, ...]] = set()
        self.sequences: dict[Thing, tuple[str, ast.AST]] = {}
        self.budget = ALL
        self.root = Frame()

    def evaluate(self, node: ast.expr, frame: Frame) -> Thing:
        """What an expression stands for."""
        return expressions.evaluate(self, node, frame)

    def execute(self, body: Iterable[ast.stmt], frame: Frame) -> None:
        """Follow statements as long as the frame is running."""
        statements.execute(self, body, frame)

    def invoke(self, callee: Thing, arguments: Arguments, frame: Frame) -> Thing:
        """What a call returns."""
        return calling.invoke(self, callee, arguments, frame)

    def attribute(self, thing: Thing, name: str, node: ast.AST) -> Thing:
        """What an attribute of a thing stands for."""
        return methods.attribute(self, thing, name, node)

    def method(self, receiver: Thing, name: str, arguments: Arguments, frame: Frame) -> Thing:
        """What calling a thing's method returns."""
        return methods.method(self, receiver, name, arguments, frame)

    def lost(self, kind: str, constructor: Call, arguments: Arguments, frame: Frame) -> None:
        """Take down that a loss is computed."""
        given = self.final(arguments.get(0, *DATA) or ANYTHING)
        logits = given.ops if given is not None else (origin(self.syntax, arguments.node),)
        network = given.network if given is not None else None
        network = network or next(iter(self.forwards), None)
        found = Lost(kind, arguments.node, constructor, logits, network, frame.no_grad)
        if found.key not in self.keys:
            self.keys.add(found.key)
            self.trace.losses.append(found)

    def final(self, thing: Thing) -> Tensor | None:
        """The data of what a network returns: of a tuple the first, of a dictionary or output object the logits."""
        if isinstance(thing, Tensor):
            return thing
        if isinstance(thing, Group):
            found = [each for item in thing.items if (each := self.final(item)) is not None]
            return next((each for each in found if not (each.ops and each.ops[-1].kind.startswith("loss:"))), None)
        if isinstance(thing, Container) and thing.kind == "dict":
            pairs = dict(self.pairs(thing))
            key = next((name for name in ("logits", "out", "output", "pred") if name in pairs), None)
            only = list(pairs.values()) if len(pairs) == 1 else []
            return self.final(pairs[key] if key else only[0]) if key or only else None
        return None

    def named(self, target: ast.expr, thing: Thing, frame: Frame) -> None:
        """Take a sequence of layers down under its first name, where it is no part of a network's class."""
        is_part = frame.owner is not None and is_module(self.syntax, frame.owner)
        is_network = thing.is_network if isinstance(thing, Layer) else isinstance(thing, Container)
        if isinstance(thing, Container) and thing.kind != "sequential":
            return
        if is_network and isinstance(target, ast.Name) and not is_part:
            self.sequences.setdefault(thing, (target.id, self.syntax.statement_of(target) or target))

    def annotated(self, node: ast.expr, frame: Frame) -> Thing:
        """An object of a network's class, if an argument is said to be one."""
        thing = frame.find(node.id) if isinstance(node, ast.Name) else None
        if not isinstance(thing, Class) or not is_module(self.syntax, thing.node):
            return ANYTHING
        if thing.node not in self.instances:
            self.make(thing)
        return self.instances[thing.node][0] if thing.node in self.instances else ANYTHING

    def run(self) -> Trace:
        """Follow everything."""
        self.attempt(MODULE, lambda: self.execute(self.syntax.tree.body, self.root))
        for number, thing in enumerate(self.defined):  # it grows meanwhile
            if number > 4 * (len(self.syntax.functions) + len(self.syntax.classes)):
                break
            if isinstance(thing, Function) and self.is_worth(thing.node):
                self.attempt(ENTRY, partial(self.enter, thing))
            elif isinstance(thing, Class):
                self.enter_class(thing)
        self.trace.networks = [each for each in self.sketches() if each.flow]
        return self.trace

    def is_worth(self, node: ast.AST) -> bool:
        """Whether a function is to be followed that nothing has called: it may compute a loss."""
        return node not in self.entered and node in self.losing

    @cached_property
    def losing(self) -> set[ast.AST]:
        """The functions that mention a loss, or call one of the file that does."""
        calls: dict[ast.AST, set[str]] = {}
        for node in self.syntax.nodes(ast.Call):
            last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for function in [each for each in self.syntax.above(node) if isinstance(each, Definition)][:1]:
                calls.setdefault(function, set()).add(last)
        found = {each for each in self.syntax.functions if MENTIONS.search(self.syntax.text_of(each))}
        names: set[str] = set()
        while len(names) < len({each.name for each in found}):
            names = {each.name for each in found}
            found |= {each for each in self.syntax.functions if calls.get(each, set()) & names}
        return {*found}

    def attempt(self, most: int, action: Callable[[], object]) -> None:
        """Follow something as far as the budget goes; what was met until then is kept."""
        self.left = given = min(most, self.budget)
        self.stack, self.forwards = [], []
        try:
            if given > 0:
                action()
        except (Exhausted, RecursionError):
            pass
        self.stack, self.forwards = [], []
        self.budget -= given - max(self.left, 0)

    def enter(self, function: Function, given: Thing = ANYTHING) -> Thing:
        """Follow a function without a caller: defaults count, except None, which is there to be replaced."""
        if isinstance(function.node, ast.Lambda):
            return ANYTHING
        arguments = entry_arguments(function.node, given, all_given=True)
        return calling.call_function(self, function, arguments, self.root)

    def enter_class(self, thing: Class) -> None:
        """Follow a class's methods that may compute a loss and that nothing calls; a ``forward`` as if trained."""
        module = is_module(self.syntax, thing.node)
        for node in [each for each in thing.node.body if isinstance(each, Definition) and each.name != "__init__"]:
            is_forward = module and node.name in calling.FORWARDS
            if self.is_worth(node) or (is_forward and node in self.losing):
                for instance in self.instances_of(thing):
                    bound = calling.bound(instance, (thing.node, node))
                    self.attempt(ENTRY, partial(self.enter_method, bound, is_forward))

    def enter_method(self, bound: Function, is_forward: bool) -> None:
        """Follow a method on an object."""
        self.forwards = [bound.receiver] if is_forward and bound.receiver is not None else []
        self.enter(bound, Tensor(()) if is_forward else ANYTHING)

    def instances_of(self, thing: Class) -> list[Instance]:
        """The objects of a class that the program makes, or one that is made as its defaults say."""
        made = self.instances.get(thing.node, [])[:INSTANCES]
        if made:
            return made
        self.attempt(ENTRY, partial(self.make, thing))
        return self.instances.get(thing.node, [])[:1]

    def make(self, thing: Class) -> None:
        """Make an object as the defaults say."""
        found = method_of(self.syntax, thing.node, "__init__")
        arguments = entry_arguments(found[1], ANYTHING) if found else Arguments(nowhere(thing.node))
        calling.call_class(self, thing, arguments, self.root)

    def sketches(self) -> Iterable[Sketch]:
        """The networks of the program, with what data go through."""
        for thing in dict.fromkeys(each for each in self.defined if isinstance(each, Class)):
            if self.is_network(thing.node):
                yield Sketch(thing.node.name, thing.node, self.flow_of(thing), thing.node)
        for sequence, (name, node) in self.sequences.items():
            yield Sketch(name, node, self.followed(sequence), sequence)

    def is_network(self, node: ast.ClassDef) -> bool:
        """Whether a class is a network of its own right: no loss, and with a way through it."""
        if not is_module(self.syntax, node) or LOSS_NAME.search(node.name):
            return False
        has_forward = any(method_of(self.syntax, node, name) for name in calling.FORWARDS)
        return has_forward or known_base(self.syntax, node) == "torch.nn.Sequential"

    def flow_of(self, thing: Class) -> Ops:
        """What data go through in an object of a class: the first that is made, or one as its defaults say."""
        instances = self.instances_of(thing)
        flow = self.followed(instances[0]) if instances else ()
        is_loss = bool(flow) and flow[-1].kind.startswith("loss:")
        return () if is_loss else flow or (origin(self.syntax, thing.node),)

    def followed(self, network: Thing) -> Ops:
        """What data go through in a network; nothing where that takes too long."""
        flows: list[Ops] = []
        self.attempt(ENTRY, lambda: flows.append(self.flow_through(network)))
        return flows[0] if flows else ()

    def flow_through(self, network: Thing) -> Ops:
        """What data go through in a network, with the defaults of ``forward``."""
        found = calling.forward_of(self, network)
        if found is None or not isinstance(network, Instance):
            result = self.invoke(network, Arguments(nowhere(self.syntax.tree), (Tensor(()),)), self.root)
        else:
            self.forwards.append(network)
            arguments = entry_arguments(found[1], Tensor(()))
            result = calling.call_function(self, calling.bound(network, found), arguments, self.root)
        end = self.final(result)
        return end.ops if end is not None else (origin(self.syntax, self.syntax.tree),)


def nowhere(node: ast.AST) -> ast.Call:
    """A call that the file does not make."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    return ast.Call(ast.Name("?"), [], [], lineno=line, col_offset=column, end_lineno=line, end_col_offset=column)


def entry_arguments(node: Definition, given: Thing, *, all_given: bool = False) -> Arguments:
    """What a function is given without a caller: what has no default, and with ``all_given`` what has None for one."""
    names = [
        name
        for number, (name, default) in enumerate(defaults(node.args))
        if default is None or (all_given and isinstance(default, ast.Constant) and default.value is None)
        if not (number == 0 and name in ("self", "cls"))
    ]
    keywords = dict.fromkeys(names, given)
    first = next((name for name, _ in defaults(node.args) if name not in ("self", "cls")), None)
    if first is not None and isinstance(given, Tensor):  # the data, even where their default is None
        keywords.setdefault(first, given)
    return Arguments(nowhere(node), (), keywords)


def interpret(syntax: Syntax) -> Trace:
    """Follow a program."""
    return Tracer(syntax).run()
