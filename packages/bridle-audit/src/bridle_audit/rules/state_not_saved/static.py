"""What is made, and never part of what is saved."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Call, Program
from bridle_audit.static.dataflow.identifiers import words
from bridle_audit.static.dataflow.tracing import constructor_name, definition_of

AVERAGES = re.compile(r"^(?:torch\.optim\.swa_utils\.AveragedModel|timm\.utils\.ModelEma(?:V2|V3)?|ema_pytorch\.EMA)$")
SCHEDULES = re.compile(r"^torch\.optim\.lr_scheduler\.(?!_)\w+$")


def check(program: Program) -> Iterator[Finding]:
    """What is made, and never part of what is saved."""
    if not saves_optimizer(program):
        return
    for call, held in made(program):
        if mentions_state(program, held):
            continue
        if AVERAGES.match(call.name):
            yield Finding(
                held,
                f"the optimizer's state is saved to go on later, and the averaged model {held} is not: it is lost",
                f'torch.save({{..., "ema": {held}.state_dict()}}, path)  # and {held}.load_state_dict(...) later',
                location=saving(program).location,
            )
        elif SCHEDULES.match(call.name) and loads_optimizer(program) and not call.states(None, "last_epoch"):
            yield Finding(
                held,
                f"the optimizer's state is saved and loaded, and the schedule {held} is not: it starts anew",
                f'torch.save({{..., "scheduler": {held}.state_dict()}}, path)  # and {held}.load_state_dict(...) later',
                location=saving(program).location,
            )


def made(program: Program) -> Iterator[tuple[Call, str]]:
    """The averaged models and schedules that the file makes, with the variables that hold them."""
    for call in program.all_calls:
        statement = call.statement
        if not (AVERAGES.match(call.name) or SCHEDULES.match(call.name)) or not isinstance(statement, ast.Assign):
            continue
        target = statement.targets[0]
        if statement.value is call.node and isinstance(target, ast.Name | ast.Attribute):
            yield call, program.source(target)


def saving(program: Program) -> Call:
    """The call that saves, the first that has an optimizer's state in it; where that is collected before, the first."""
    calls = program.calls("torch.save")
    return next((each for each in calls if "optim" in program.source(each.node)), calls[0])


def saves_optimizer(program: Program) -> bool:
    """Whether the state of an optimizer is taken, in a file that saves something with torch."""
    taken = (each.receiver for each in program.calls("method:state_dict"))
    return bool(program.calls("torch.save")) and any(is_optimizer(program, each) for each in taken)


def loads_optimizer(program: Program) -> bool:
    """Whether the state of an optimizer is given back."""
    return any(is_optimizer(program, each.receiver) for each in program.calls("method:load_state_dict"))


def is_optimizer(program: Program, expr: ast.expr | None) -> bool:
    """By what made it, or by its name."""
    if expr is None:
        return False
    return (constructor_name(program, expr) or "").startswith("torch.optim.") or bool(
        {"optimizer", "optim", "opt"} & set(words(expr))
    )


def mentions_state(program: Program, held: str) -> bool:
    """Whether the state of a variable is taken anywhere, or the whole is handed to something that may take it."""
    return any(takes_state(program, each) for each in uses(program, held))


def uses(program: Program, held: str) -> Iterator[ast.expr]:
    """Where a variable, or an attribute of an object, is read."""
    found: list[ast.Name | ast.Attribute] = [*program.nodes(ast.Name), *program.nodes(ast.Attribute)]
    for node in found:
        if isinstance(node.ctx, ast.Load) and program.source(node) == held:
            yield node


def takes_state(program: Program, node: ast.expr) -> bool:
    """Whether one use of a variable may lead to a checkpoint: not where only a method of it is called, as we know."""
    parent = program.parent(node)
    while isinstance(parent, ast.Attribute):
        if parent.attr == "state_dict":
            return True
        node, parent = parent, program.parent(parent)
    if not isinstance(parent, ast.Call):
        return not isinstance(parent, ast.Compare | ast.If | ast.BoolOp | ast.UnaryOp)
    if node is parent.func:
        return False
    function = definition_of(program, parent)
    return function is None or "state_dict" in program.source(function) or "save" in program.source(function)
