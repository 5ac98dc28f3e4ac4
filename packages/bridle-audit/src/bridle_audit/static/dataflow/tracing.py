"""Definitions of values: assignments of a variable, the call that made it, arguments passed to its function."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.static.facts.calls import Call
from bridle_audit.static.program import Program
from bridle_audit.static.scopes.index import Function

__all__ = [
    "assigned_values",
    "calls_of",
    "constructor_call",
    "constructor_name",
    "definition_of",
    "factors",
    "methods",
    "passed_arguments",
    "reachable_calls",
    "reachable_nodes",
    "reaching_values",
    "source_expressions",
    "target_names",
]

MOVES = (
    "to",
    "cuda",
    "cpu",
    "float",
    "double",
    "half",
    "bfloat16",
    "eval",
    "train",
    "requires_grad_",
    "clone",
    "detach",
)
WRAPPERS = ("torch.compile", "torch.nn.DataParallel", "torch.nn.parallel.DistributedDataParallel", "copy.deepcopy")


def assigned_values(program: Program, expr: ast.AST) -> list[ast.expr]:
    """Return the values assigned to a variable or an attribute of ``self``, in order; the whole of what is unpacked.

    Empty where some of it cannot be told: arguments, loops, ``+=`` and the like.
    """
    if isinstance(expr, ast.Name):
        plain = program.bindings(expr)
        return [each for each in plain if each] if all(plain) else unpacked_values(program, expr, len(plain))
    if isinstance(expr, ast.Attribute) and isinstance(expr.value, ast.Name) and expr.value.id == "self":
        owner = program.class_of(expr)
        return attribute_values(owner, expr.attr) if owner is not None else []
    return []


def unpacked_values(program: Program, name: ast.Name, count: int) -> list[ast.expr]:
    """The values of the assignments with this name among their targets, if these are all the bindings that it has."""
    enclosing = program.function_of(name)
    found = [
        each.value
        for each in program.nodes(ast.Assign)
        if program.function_of(each) is enclosing and any(name.id in target_names(target) for target in each.targets)
    ]
    return found if len(found) == count else []


def target_names(target: ast.AST) -> set[str]:
    """The variables that an assignment's target binds."""
    return {each.id for each in ast.walk(target) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def attribute_values(owner: ast.ClassDef, name: str) -> list[ast.expr]:
    """Return the values that the methods of a class assign to ``self.name``."""
    return [
        each.value
        for each in ast.walk(owner)
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Attribute)
        and target.attr == name
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    ]


def constructor_call(program: Program, expr: ast.AST, depth: int = 6) -> ast.Call | None:
    """The call that made what an expression stands for, if there is only one.

    What is moved, compiled or copied stays what it was; an argument is what the one call of its function gives.
    """
    if depth == 0:
        return None
    if isinstance(expr, ast.Call):
        inner = wrapped_operand(program, expr)
        return constructor_call(program, inner, depth - 1) if inner is not None else expr
    held = [each for each in assigned_values(program, expr) if not is_rewrapped(program, each, expr)]
    if not held and isinstance(expr, ast.Name):
        held = passed_arguments(program, expr)
    return constructor_call(program, held[0], depth - 1) if len(held) == 1 else None


def calls_of(program: Program, function: Function) -> list[Call]:
    """The calls of a function in the file: of its class, where it is ``__init__``."""
    owner = program.class_of(function)
    if function.name == "__init__" and owner is not None:
        return program.calls(owner.name)
    return program.calls(function.name, f"method:{function.name}")


def is_rewrapped(program: Program, value: ast.expr, variable: ast.AST) -> bool:
    """Return True if a variable is assigned itself, moved or wrapped: ``model = model.to(device)``."""
    inner = wrapped_operand(program, value) if isinstance(value, ast.Call) else None
    if isinstance(inner, ast.Call):
        return is_rewrapped(program, inner, variable)
    return inner is not None and ast.unparse(inner) == ast.unparse(variable)


def wrapped_operand(program: Program, call: ast.Call) -> ast.expr | None:
    """Return the operand of a call that only moves, compiles, wraps or copies it."""
    if isinstance(call.func, ast.Attribute) and call.func.attr in MOVES and program.resolve(call.func) is None:
        return call.func.value
    return call.args[0] if call.args and program.resolve(call.func) in WRAPPERS else None


def passed_arguments(program: Program, name: ast.Name) -> list[ast.expr]:
    """Return the arguments that the file's calls pass for a parameter; empty for any other variable."""
    function = program.function_of(name)
    if function is None or program.bindings(name) != [None]:
        return []
    plain = [each.arg for each in [*function.args.posonlyargs, *function.args.args]]
    if name.id not in plain or name.id in ("self", "cls"):
        return []
    position = plain.index(name.id) - (plain[0] in ("self", "cls"))
    calls = calls_of(program, function)
    found = [each.argument(position, name.id) for each in calls]
    return [each for each in found if each is not None] if all(each is not None for each in found) else []


def constructor_name(program: Program, expr: ast.AST) -> str | None:
    """The name of the class or function that made what an expression stands for; None where that is not known."""
    call = constructor_call(program, expr)
    return program.resolve(call.func) if call is not None else None


def definition_of(program: Program, call: ast.Call) -> Function | None:
    """The function or method of the file that a call calls."""
    callee = call.func
    if isinstance(callee, ast.Attribute) and isinstance(callee.value, ast.Name) and callee.value.id == "self":
        owner = program.class_of(call)
        return next((each for each in methods(owner) if each.name == callee.attr), None)
    name = program.resolve(callee)
    found = [each for each in program.functions if each.name == name and program.class_of(each) is None]
    return found[0] if len(found) == 1 else None


def methods(owner: ast.ClassDef | None) -> list[Function]:
    """The methods that a class defines itself."""
    return [each for each in owner.body if isinstance(each, Function)] if owner is not None else []


def reachable_nodes(program: Program, node: ast.AST, depth: int = 3) -> Iterator[ast.AST]:
    """All nodes within a node, and within the functions of the file that are called there."""
    for each in ast.walk(node):
        yield each
        if isinstance(each, ast.Call) and depth:
            function = definition_of(program, each)
            if function is not None:
                yield from reachable_nodes(program, function, depth - 1)


def reachable_calls(program: Program, node: ast.AST, *methods: str) -> list[ast.Call]:
    """The calls of methods with these names that are reached from a node."""
    found = (each for each in reachable_nodes(program, node) if isinstance(each, ast.Call))
    return [each for each in found if isinstance(each.func, ast.Attribute) and each.func.attr in methods]


def reaching_values(program: Program, name: ast.Name) -> list[ast.expr]:
    """Return the values assigned to a variable earlier in the same function, or at module level, unconditionally.

    Unlike in :func:`assigned_values`, the variable may be bound by a loop or as an argument before: ``y = smooth(y)``.
    An assignment under a condition counts only if the use is under the same one.
    """
    found = [
        each
        for each in program.nodes(ast.Assign)
        if program.function_of(each) is program.function_of(name)
        and each.lineno <= name.lineno
        and any(name.id in target_names(target) for target in each.targets)
        and all(under in enclosing_conditions(program, name) for under in enclosing_conditions(program, each))
    ]
    return [each.value for each in found] or assigned_values(program, name)


def enclosing_conditions(program: Program, node: ast.AST) -> list[ast.AST]:
    """The ``if`` and ``try`` statements around a node within its function."""
    found: list[ast.AST] = []
    around = program.parent(node)
    while around is not None and not isinstance(around, Function):
        found += [around] if isinstance(around, ast.If | ast.Try) else []
        around = program.parent(around)
    return found


def returned_values(program: Program, function: Function) -> list[ast.expr]:
    """Return the values that a function returns, in order."""
    statements = program.statements_in_order(function)
    return [each.value for each in statements if isinstance(each, ast.Return) and each.value is not None]


def source_expressions(program: Program, expr: ast.AST) -> list[ast.expr]:
    """Return the expressions one step back: the values of a variable, the return values of a function."""
    if isinstance(expr, ast.Name):
        return reaching_values(program, expr)
    function = definition_of(program, expr) if isinstance(expr, ast.Call) else None
    return returned_values(program, function) if function is not None else []


def factors(expr: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """Return the factors and the divisors of a product.

    >>> above, below = factors(ast.parse("a * b / c", mode="eval").body)
    >>> [each.id for each in above], [each.id for each in below]
    (['a', 'b'], ['c'])
    """
    if not isinstance(expr, ast.BinOp) or not isinstance(expr.op, ast.Mult | ast.Div):
        return [expr], []
    above, below = factors(expr.left)
    more, less = factors(expr.right)
    return (above + more, below + less) if isinstance(expr.op, ast.Mult) else (above + less, below + more)
