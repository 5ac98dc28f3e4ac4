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
Made = ast.Lambda | ast.FunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp


def check(program: Program) -> Iterator[Finding]:
    """Functions that are made in a loop, look up its variable later, and measure weights."""
    measured = {each for penalty in penalties_of(program) for each in program.above(penalty.node)}
    functions: list[Made] = [*program.nodes(ast.Lambda), *program.nodes(ast.FunctionDef)]
    for made in functions:
        looped = loop_names(program, made)
        names = looked_up(made, looped) if looped else []
        if names and is_kept(program, made) and (made in measured or is_added(program, made)):
            yield Finding(
                program.source(made).split("\n")[0],
                f"{names[0]} is looked up when the penalty is computed: by then the loop is over, and every one of "
                f"these penalties is that of the last {names[0]}",
                CURE.format(name=names[0]),
                location=program.location(made),
            )


def looked_up(made: Made, looped: set[str]) -> list[str]:
    """The variables of loops around it that a function reads, and does not have for its own."""
    own = {name for name, _ in defaults(made.args)}
    bodies = [made.body] if isinstance(made, ast.Lambda) else made.body
    inside = [each for body in bodies for each in ast.walk(body)]
    own |= {each.id for each in inside if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)}
    read = [each.id for each in inside if isinstance(each, ast.Name) and each.id not in own]
    owners = [each.value.id for each in inside if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)]
    return [name for name in dict.fromkeys([*owners, *read]) if name in looped and name not in own]


def loop_names(program: Program, made: Made) -> set[str]:
    """The variables of the loops and comprehensions in whose rounds a function is made."""
    targets: list[ast.AST] = []
    for above in program.above(made):
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            break
        if isinstance(above, ast.For | ast.AsyncFor):
            targets.append(above.target)
        if isinstance(above, Comprehension):
            targets += [each.target for each in above.generators]
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def is_kept(program: Program, made: Made) -> bool:
    """Whether a function outlives the round in which it is made: it is put into a list, or given to ``add_loss``."""
    if isinstance(made, ast.Lambda):
        above = program.parent(made)
        is_element = isinstance(above, ast.ListComp | ast.SetComp) and above.elt is made
        return is_element or (isinstance(above, ast.Call) and keeps(above, made))
    uses = [each for each in program.nodes(ast.Name) if each.id == made.name and isinstance(each.ctx, ast.Load)]
    return any(isinstance(above, ast.Call) and keeps(above, use) for use in uses for above in [program.parent(use)])


def keeps(call: ast.Call, given: ast.expr) -> bool:
    """Whether a call puts away what it is given."""
    return isinstance(call.func, ast.Attribute) and call.func.attr in KEEPERS and given in call.args


def is_added(program: Program, made: Made) -> bool:
    """Whether it is given to ``add_loss``, whatever it computes."""
    above = program.parent(made)
    return isinstance(above, ast.Call) and re.search(r"\.add_loss$", program.source(above.func)) is not None
