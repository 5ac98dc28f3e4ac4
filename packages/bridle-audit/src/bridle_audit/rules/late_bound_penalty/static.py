"""Functions that are made in a loop, look up its variable later, and measure weights."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import penalties_of
from bridle_audit.static.scopes.index import defaults

KEEPERS = ("append", "add_loss", "insert", "register", "setdefault")
CURE = "penalties.append(lambda {name}={name}: ...)  # what a default holds is looked up now"
FunctionNode = ast.Lambda | ast.FunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a penalty function created in a loop that reads the loop variable later."""
    measured = {each for penalty in penalties_of(program) for each in program.above(penalty.node)}
    functions: list[FunctionNode] = [*program.nodes(ast.Lambda), *program.nodes(ast.FunctionDef)]
    for function in functions:
        variables = loop_variables(program, function)
        names = late_bound_names(function, variables) if variables else []
        if (
            names
            and outlives_iteration(program, function)
            and (function in measured or is_passed_to_add_loss(program, function))
        ):
            yield Finding(
                program.source(function).split("\n")[0],
                f"{names[0]} is looked up when the penalty is computed: by then the loop is over, and every one of "
                f"these penalties is that of the last {names[0]}",
                CURE.format(name=names[0]),
                location=program.location(function),
            )


def late_bound_names(function: FunctionNode, variables: set[str]) -> list[str]:
    """Return the loop variables that a function reads and does not bind itself."""
    own = {name for name, _ in defaults(function.args)}
    bodies = [function.body] if isinstance(function, ast.Lambda) else function.body
    inside = [each for body in bodies for each in ast.walk(body)]
    own |= {each.id for each in inside if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)}
    read = [each.id for each in inside if isinstance(each, ast.Name) and each.id not in own]
    owners = [each.value.id for each in inside if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)]
    return [name for name in dict.fromkeys([*owners, *read]) if name in variables and name not in own]


def loop_variables(program: Program, function: FunctionNode) -> set[str]:
    """Return the variables of the loops and comprehensions around a function."""
    targets: list[ast.AST] = []
    for above in program.above(function):
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            break
        if isinstance(above, ast.For | ast.AsyncFor):
            targets.append(above.target)
        if isinstance(above, Comprehension):
            targets += [each.target for each in above.generators]
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def outlives_iteration(program: Program, function: FunctionNode) -> bool:
    """Return True if a function is stored in a list or passed to ``add_loss``, and so outlives its iteration."""
    if isinstance(function, ast.Lambda):
        above = program.parent(function)
        is_element = isinstance(above, ast.ListComp | ast.SetComp) and above.elt is function
        return is_element or (isinstance(above, ast.Call) and stores_argument(above, function))
    uses = [each for each in program.nodes(ast.Name) if each.id == function.name and isinstance(each.ctx, ast.Load)]
    return any(
        isinstance(above, ast.Call) and stores_argument(above, use) for use in uses for above in [program.parent(use)]
    )


def stores_argument(call: ast.Call, given: ast.expr) -> bool:
    """Return True if a call stores an argument for later, as ``append`` and ``add_loss`` do."""
    return isinstance(call.func, ast.Attribute) and call.func.attr in KEEPERS and given in call.args


def is_passed_to_add_loss(program: Program, function: FunctionNode) -> bool:
    """Return True if a function is passed to ``add_loss``."""
    above = program.parent(function)
    return isinstance(above, ast.Call) and re.search(r"\.add_loss$", program.source(above.func)) is not None
