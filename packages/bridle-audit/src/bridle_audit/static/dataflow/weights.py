"""Expressions that denote weights of a network: a single one, or all that a loop iterates over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bridle_audit.static.scopes.index import Function
from bridle_audit.static.scopes.resolution import scope_of
from bridle_audit.static.syntax import Syntax

__all__ = ["Weights", "calls_of", "is_own_parameter", "weights"]

DEPTH = 8  # of names that stand for names
WEIGHT = re.compile(r"^(?:weight|kernel|bias)(?:_\w+)?$")
COLLECTIONS = ("parameters", "named_parameters")
KERAS = ("trainable_weights", "trainable_variables")
WRAPPERS = ("list", "tuple", "iter", "sorted", "reversed", "tqdm.tqdm", "tqdm.auto.tqdm")
SHAPE_WORDS = "view reshape flatten ravel float double half to cuda cpu t clone contiguous type squeeze"
SAME_WEIGHTS = frozenset({*SHAPE_WORDS.split(), "detach"})  # methods that return a weight in another shape or type
JOINED = ("torch.cat", "torch.hstack", "torch.concat", "torch.nn.utils.parameters_to_vector")
OF_MATRICES = re.compile(r"weight|kernel|ndim|dim\(\)|\.shape\)|Linear|Conv|Dense|Embedding")
OF_VECTORS = re.compile(r"bias|bn|norm|beta|gamma")
TRAINABLE_TEST = re.compile(r"\b(?:and )?[\w.]+\.requires_grad\b(?: and)?|^[\w.]+ is (?:not )?None$|^not \(\)$")


@dataclass(frozen=True)
class Weights:
    """Some weights."""

    over: str  # "all" parameters of a network, "matrices", "some", or "one"
    of: str  # whose, as it is written
    detached: ast.AST | None = None  # what cuts them off from their gradients
    shifted: bool = False  # whether something is subtracted: the weights they began with

    def narrowed(self, tests: list[str]) -> Weights:
        """Return the weights that also pass some tests, as written; a test of ``requires_grad`` does not count."""
        others = [each for each in (TRAINABLE_TEST.sub("", test) for test in tests) if re.search(r"\w{2}", each)]
        if not others or self.over == "one":
            return self
        return replace(self, over="matrices" if all(map(is_of_matrices, others)) else "some")


@dataclass(frozen=True)
class WeightIterable:
    """The elements of an iterable of weights."""

    weights: Weights
    position: tuple[int, ...] = ()  # where the weight is in what the loop gives: (1,) in (name, weight)


def is_of_matrices(test: str) -> bool:
    """Return True if the tests, as written, select weights only: ``"bias" not in name``, ``p.ndim > 1``."""
    return OF_MATRICES.search(test) is not None or ("not" in test and OF_VECTORS.search(test) is not None)


def weights(syntax: Syntax, node: ast.AST, depth: int = DEPTH) -> Weights | None:
    """The weights that an expression is worth, in whatever shape; None where it is something else."""
    if depth == 0:
        return None
    if isinstance(node, ast.Name):
        return of_name(syntax, node, depth)
    if isinstance(node, ast.Attribute):
        return of_attribute(syntax, node, depth)
    if isinstance(node, ast.Call):
        return of_call(syntax, node, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        found = weights(syntax, node.left, depth - 1) or weights(syntax, node.right, depth - 1)
        return replace(found, shifted=True) if found else None
    return None


def of_name(syntax: Syntax, node: ast.Name, depth: int) -> Weights | None:
    """Return the weights that a variable holds, from a loop, an assignment, or the calls of its function."""
    looped = of_loop(syntax, node, depth)
    if looped is not None:
        return looped
    meant = assigned_expressions(syntax, node)
    return next((each for each in (weights(syntax, one, depth - 1) for one in meant) if each), None)


def assigned_expressions(syntax: Syntax, node: ast.Name) -> list[ast.expr]:
    """The one expression that a variable is assigned, or those that calls in the file give for an argument."""
    scope = scope_of(syntax.index, node)
    bindings = scope.bindings[node.id] if scope is not None else []
    if len(bindings) != 1:
        return []
    only = bindings[0]
    if only.kind == "argument":
        return passed_arguments(syntax, only.node, node.id)
    return [only.value] if only.kind == "assigned" and only.value is not None else []


def passed_arguments(syntax: Syntax, arguments: ast.AST, name: str) -> list[ast.expr]:
    """Return the weights that the file's calls pass for a parameter."""
    function = syntax.parent(arguments)
    if not isinstance(function, Function):
        return []
    names = [each.arg for each in [*function.args.posonlyargs, *function.args.args]]
    position = names.index(name) - (names[0] in ("self", "cls")) if name in names else -1
    given = []
    for call in calls_of(syntax, function):
        by_name = [each.value for each in call.keywords if each.arg == name]
        fits = 0 <= position < len(call.args) and not any(isinstance(each, ast.Starred) for each in call.args)
        given += by_name or ([call.args[position]] if fits else [])
    return given


def calls_of(syntax: Syntax, function: Function) -> list[ast.Call]:
    """The calls of a function in the file: by its name alone, of a method by an attribute."""
    is_method = isinstance(syntax.parent(function), ast.ClassDef)
    calls = syntax.values.calls_by_name.get(function.name, [])
    return [each for each in calls if isinstance(each.func, ast.Attribute) == is_method]


def of_loop(syntax: Syntax, node: ast.Name, depth: int) -> Weights | None:
    """Return the weights that a loop or comprehension binds a variable to."""
    for target, source, tests in loops_around(syntax, node):
        position = target_position(target, node.id)
        if position is None:
            continue
        each = weight_iterable(syntax, source, depth - 1)
        return each.weights.narrowed(tests) if each and each.position == position else None
    return None


def loops_around(syntax: Syntax, node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr, list[str]]]:
    """The loops and comprehensions around a node: target, what it goes through, and the tests on the way."""
    below: ast.AST = node
    name = ast.unparse(node).partition(".")[0]
    tests: list[str] = []
    for above in syntax.above(node):
        if isinstance(above, ast.If) and below is not above.test:
            tests.append(ast.unparse(above.test))
        if isinstance(above, ast.IfExp) and below is above.body:
            tests.append(ast.unparse(above.test))
        if isinstance(above, ast.For | ast.AsyncFor) and below is not above.iter:
            yield above.target, above.iter, [*tests, *skip_conditions(above)]
        if isinstance(above, ast.GeneratorExp | ast.ListComp | ast.SetComp):
            for each in above.generators:
                yield each.target, each.iter, [*tests, *map(ast.unparse, each.ifs)]
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and name in argument_names(
            above.args
        ):
            return
        below = above


def argument_names(arguments: ast.arguments) -> list[str]:
    """The names of a function's plain arguments."""
    return [each.arg for each in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]


def skip_conditions(loop: ast.For | ast.AsyncFor) -> list[str]:
    """The tests by which a loop skips some of its rounds."""
    ifs = [each for each in loop.body if isinstance(each, ast.If)]
    return [
        f"not ({ast.unparse(each.test)})" for each in ifs if any(isinstance(one, ast.Continue) for one in each.body)
    ]


def target_position(target: ast.AST, name: str) -> tuple[int, ...] | None:
    """Return the position of a name in the target of a loop.

    >>> target_position(ast.parse("i, (name, w)").body[0].value, "w")
    (1, 1)
    """
    if isinstance(target, ast.Name):
        return () if target.id == name else None
    for index, each in enumerate(target.elts if isinstance(target, ast.Tuple | ast.List) else []):
        inner = target_position(each, name)
        if inner is not None:
            return (index, *inner)
    return None


def of_attribute(syntax: Syntax, node: ast.Attribute, depth: int) -> Weights | None:
    """``layer.weight``, ``weight.data``, and a parameter that a class makes for itself."""
    if node.attr in ("data", "T", "mT"):
        inner = weights(syntax, node.value, depth - 1)
        return replace(inner, detached=node) if inner and node.attr == "data" else inner
    if not WEIGHT.search(node.attr) and not is_own_parameter(syntax, node):
        return None
    sources = [
        source
        for target, source, _ in loops_around(syntax, node)
        if isinstance(node.value, ast.Name) and target_position(target, node.value.id) is not None
    ]
    if not sources or "bias" in node.attr:
        return Weights("one", ast.unparse(node))
    return Weights("matrices", network_of_layers(sources[0]) or ast.unparse(node))


def network_of_layers(source: ast.expr) -> str:
    """The network whose layers a loop goes through, as it is written; empty where that cannot be told."""
    called = source.func if isinstance(source, ast.Call) else None
    if isinstance(called, ast.Attribute) and called.attr in ("modules", "named_modules", "children", "named_children"):
        return ast.unparse(called.value)
    return ast.unparse(source.value) if isinstance(source, ast.Attribute) and source.attr == "layers" else ""


def is_own_parameter(syntax: Syntax, node: ast.Attribute) -> bool:
    """Return True if an attribute of ``self`` is assigned an ``nn.Parameter``."""
    owner = syntax.class_of(node)
    if owner is None or not isinstance(node.value, ast.Name) or node.value.id != "self":
        return False
    stored = syntax.values.stores.get(owner, {}).get(node.attr, [])
    return any(isinstance(each, ast.Call) and syntax.resolve(each.func) == "torch.nn.Parameter" for each in stored)


def of_call(syntax: Syntax, node: ast.Call, depth: int) -> Weights | None:
    """Weights in another shape, or many as one vector."""
    name = syntax.resolve(node.func)
    if name in JOINED and node.args:
        each = weight_iterable(syntax, node.args[0], depth - 1)
        return each.weights if each and not each.position else None
    if name == "torch.flatten" and node.args:
        return weights(syntax, node.args[0], depth - 1)
    if name is not None or not isinstance(node.func, ast.Attribute):
        return None
    inner = weights(syntax, node.func.value, depth - 1) if node.func.attr in SAME_WEIGHTS else None
    return replace(inner, detached=node) if inner and node.func.attr == "detach" else inner


def weight_iterable(syntax: Syntax, node: ast.AST, depth: int = DEPTH) -> WeightIterable | None:
    """Return the weights that a loop over an expression iterates over; None if it does not."""
    if depth == 0:
        return None
    if isinstance(node, ast.Name):
        meant = assigned_expressions(syntax, node)
        return next((each for each in (weight_iterable(syntax, one, depth - 1) for one in meant) if each), None)
    if isinstance(node, ast.Attribute) and node.attr in KERAS:
        return WeightIterable(Weights("all", ast.unparse(node.value)))
    if isinstance(node, ast.ListComp | ast.GeneratorExp):
        inner = weights(syntax, node.elt, depth - 1)
        return WeightIterable(inner) if inner else None
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        parts = [weights(syntax, each, depth - 1) for each in node.elts]
        known = [each for each in parts if each]
        return WeightIterable(replace(known[0], of=ast.unparse(node))) if known and len(known) == len(parts) else None
    return of_iterator(syntax, node, depth) if isinstance(node, ast.Call) else None


def of_iterator(syntax: Syntax, node: ast.Call, depth: int) -> WeightIterable | None:
    """``model.parameters()`` and its like, and what is wrapped around them."""
    if isinstance(node.func, ast.Attribute):
        owner, name = node.func.value, node.func.attr
        if name in COLLECTIONS and not (node.args or node.keywords) and syntax.resolve(node.func) is None:
            return WeightIterable(Weights("all", ast.unparse(owner)), (1,) if name == "named_parameters" else ())
        if name in ("values", "items") and isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute):
            return of_state(owner.func, owner, name)
    name_of = syntax.resolve(node.func)
    if name_of == "filter" and len(node.args) == 2:
        inner = weight_iterable(syntax, node.args[1], depth - 1)
        return replace(inner, weights=inner.weights.narrowed([test_source(node.args[0])])) if inner else None
    if name_of == "enumerate" and node.args:
        inner = weight_iterable(syntax, node.args[0], depth - 1)
        return replace(inner, position=(1, *inner.position)) if inner else None
    return weight_iterable(syntax, node.args[0], depth - 1) if name_of in WRAPPERS and node.args else None


def test_source(test: ast.expr) -> str:
    """Return the source of a test: of a lambda, its body."""
    return ast.unparse(test.body if isinstance(test, ast.Lambda) else test)


def of_state(function: ast.Attribute, call: ast.Call, name: str) -> WeightIterable | None:
    """``model.state_dict().items()``: copies without gradients."""
    if function.attr != "state_dict":
        return None
    return WeightIterable(Weights("all", ast.unparse(function.value), detached=call), (1,) if name == "items" else ())
