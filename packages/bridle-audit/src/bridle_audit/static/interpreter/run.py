"""A whole program followed: the module from top to bottom, then the functions and methods that nothing in it calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from functools import cached_property, partial

from bridle_audit.static.facts.classes import FORWARDS, is_module, known_base, method_of
from bridle_audit.static.interpreter import attributes, expressions, methods, python, references, statements  # noqa: F401 -- they register themselves
from bridle_audit.static.interpreter.abstract_values import (
    TOP,
    AbstractValue,
    Arguments,
    Class,
    Function,
    Instance,
    Tensor,
)
from bridle_audit.static.interpreter.applications import bind_method, forward_of
from bridle_audit.static.interpreter.flow import Ops, unknown_origin
from bridle_audit.static.interpreter.functions import (
    call_function,
    entry_arguments,
    instantiate_with_defaults,
    synthetic_call,
)
from bridle_audit.static.interpreter.machine import Exhausted, Machine
from bridle_audit.static.interpreter.observations import output_data
from bridle_audit.static.interpreter.trace import NetworkFlow, ProgramTrace
from bridle_audit.static.scopes.index import Function as Definition
from bridle_audit.static.syntax import Syntax

__all__ = ["interpret"]

# How many expressions are evaluated: of the module, of a function, of a file.
MODULE, ENTRY, ALL = 40_000, 8_000, 200_000
LOSS_NAME = re.compile(r"(?:Loss|Criterion|Criteria)$|^(?:Loss|Criterion)")
MENTIONS = ("loss", "crit", "entropy", "objective", "nll", "bce", "mse")
INSTANCES = 3  # of a class, on which the methods are followed that nothing calls


class Interpreter:
    """Follows a whole program once."""

    def __init__(self, syntax: Syntax) -> None:
        self.syntax = syntax
        self.machine = Machine(syntax)
        self.budget = ALL

    def run(self) -> ProgramTrace:
        """Follow everything."""
        self.attempt(MODULE, lambda: self.machine.execute(self.syntax.tree.body, self.machine.root))
        for number, value in enumerate(self.machine.defined):  # it grows meanwhile
            if number > 4 * (len(self.syntax.functions) + len(self.syntax.classes)):
                break
            if isinstance(value, Function) and self.is_worth(value.node):
                self.attempt(ENTRY, partial(self.enter, value))
            elif isinstance(value, Class):
                self.enter_class(value)
        self.machine.trace.networks = [each for each in self.network_flows() if each.flow]
        return self.machine.trace

    def is_worth(self, node: ast.AST) -> bool:
        """Return True if a function that nothing has called may compute a loss, and is to be followed."""
        return node not in self.machine.entered and node in self.losing

    @cached_property
    def losing(self) -> set[Definition]:
        """The functions that mention a loss, or call one of the file that does."""
        calls: dict[ast.AST | None, set[str]] = {}
        for name, nodes in self.syntax.values.calls_by_name.items():
            for node in nodes:
                calls.setdefault(self.syntax.function_of(node), set()).add(name)
        found = {each for each in self.syntax.functions if mentions_loss(self.syntax.text_of(each))}
        names: set[str] = set()
        while len(names) < len({each.name for each in found}):
            names = {each.name for each in found}
            found |= {each for each in self.syntax.functions if calls.get(each, set()) & names}
        return found

    def attempt(self, most: int, action: Callable[[], object]) -> None:
        """Follow something as far as the budget goes; what was met until then is kept."""
        self.machine.left = given = min(most, self.budget)
        self.machine.stack, self.machine.forwards = [], []
        try:
            if given > 0:
                action()
        except (Exhausted, RecursionError):
            pass
        self.machine.stack, self.machine.forwards = [], []
        self.budget -= given - max(self.machine.left, 0)

    def enter(self, function: Function, given: AbstractValue = TOP) -> AbstractValue:
        """Follow a function without a caller: defaults count, except None, which is there to be replaced."""
        if isinstance(function.node, ast.Lambda):
            return TOP
        arguments = entry_arguments(function.node, given, all_given=True)
        return call_function(function, self.machine, arguments, self.machine.root)

    def enter_class(self, value: Class) -> None:
        """Follow a class's methods that may compute a loss and that nothing calls; a ``forward`` as if trained."""
        module = is_module(self.syntax, value.node)
        for node in [each for each in value.node.body if isinstance(each, Definition) and each.name != "__init__"]:
            is_forward = module and node.name in FORWARDS
            if self.is_worth(node) or (is_forward and node in self.losing):
                for instance in self.instances_of(value):
                    self.attempt(
                        ENTRY, partial(self.enter_method, bind_method(instance, (value.node, node)), is_forward)
                    )

    def enter_method(self, method: Function, is_forward: bool) -> None:
        """Follow a method on an object."""
        self.machine.forwards = [method.receiver] if is_forward and method.receiver is not None else []
        self.enter(method, Tensor(()) if is_forward else TOP)

    def instances_of(self, value: Class) -> list[Instance]:
        """The objects of a class that the program makes, or one that is made as its defaults say."""
        made = self.machine.instances.get(value.node, [])[:INSTANCES]
        if made:
            return made
        self.attempt(ENTRY, partial(instantiate_with_defaults, self.machine, value))
        return self.machine.instances.get(value.node, [])[:1]

    def network_flows(self) -> Iterable[NetworkFlow]:
        """The networks of the program, with what data go through."""
        for value in dict.fromkeys(each for each in self.machine.defined if isinstance(each, Class)):
            if self.is_network(value.node):
                yield NetworkFlow(value.node.name, value.node, self.flow_of(value), value.node)
        for sequence, (name, node) in self.machine.trace.sequences.items():
            yield NetworkFlow(name, node, self.followed(sequence), sequence)

    def is_network(self, node: ast.ClassDef) -> bool:
        """Return True if a class is a network of its own: no loss, and with a ``forward`` or layers in sequence."""
        if not is_module(self.syntax, node) or LOSS_NAME.search(node.name):
            return False
        has_forward = any(method_of(self.syntax, node, name) for name in FORWARDS)
        return has_forward or known_base(self.syntax, node) == "torch.nn.Sequential"

    def flow_of(self, value: Class) -> Ops:
        """Return the ops of a class's first object, or of one that is made with defaults."""
        instances = self.instances_of(value)
        flow = self.followed(instances[0]) if instances else ()
        is_loss = bool(flow) and flow[-1].kind.startswith("loss:")
        return () if is_loss else flow or (unknown_origin(self.syntax, value.node),)

    def followed(self, network: AbstractValue) -> Ops:
        """Return the ops of a network; none if the budget does not suffice."""
        flows: list[Ops] = []
        self.attempt(ENTRY, lambda: flows.append(self.flow_through(network)))
        return flows[0] if flows else ()

    def flow_through(self, network: AbstractValue) -> Ops:
        """Return the ops of a network, with the defaults of ``forward``."""
        found = forward_of(self.machine, network)
        if found is None or not isinstance(network, Instance):
            result = self.machine.invoke(
                network, Arguments(synthetic_call(self.syntax.tree), (Tensor(()),)), self.machine.root
            )
        else:
            self.machine.forwards.append(network)
            arguments = entry_arguments(found[1], Tensor(()))
            result = call_function(bind_method(network, found), self.machine, arguments, self.machine.root)
        end = output_data(self.machine, result)
        return end.ops if end is not None else (unknown_origin(self.syntax, self.syntax.tree),)


def mentions_loss(text: str) -> bool:
    """Return True if a text has a word for a loss; searched word by word, which is much faster than a pattern."""
    text = text.lower()
    return any(word in text for word in MENTIONS)


def interpret(syntax: Syntax) -> ProgramTrace:
    """Follow a program."""
    return Interpreter(syntax).run()
