"""Averaged models and schedulers that are left out of the checkpoints of a file."""

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
    """Yield a finding for each averaged model or scheduler that is left out of the checkpoints."""
    if not saves_optimizer(program):
        return
    for call, held in created_objects(program):
        if may_be_saved(program, held):
            continue
        if AVERAGES.match(call.name):
            yield Finding(
                held,
                f"the optimizer's state is saved to go on later, and the averaged model {held} is not: it is lost",
                f'torch.save({{..., "ema": {held}.state_dict()}}, path)  # and {held}.load_state_dict(...) later',
                location=save_call(program).location,
            )
        elif SCHEDULES.match(call.name) and loads_optimizer(program) and not call.states(None, "last_epoch"):
            yield Finding(
                held,
                f"the optimizer's state is saved and loaded, and the schedule {held} is not: it starts anew",
                f'torch.save({{..., "scheduler": {held}.state_dict()}}, path)  # and {held}.load_state_dict(...) later',
                location=save_call(program).location,
            )


def created_objects(program: Program) -> Iterator[tuple[Call, str]]:
    """Yield the averaged models and schedulers that the file creates, with the variables that hold them."""
    for call in program.all_calls:
        statement = call.statement
        if not (AVERAGES.match(call.name) or SCHEDULES.match(call.name)) or not isinstance(statement, ast.Assign):
            continue
        target = statement.targets[0]
        if statement.value is call.node and isinstance(target, ast.Name | ast.Attribute):
            yield call, program.source(target)


def save_call(program: Program) -> Call:
    """Return the first ``torch.save`` that mentions an optimizer, or the first of all."""
    calls = program.calls("torch.save")
    return next((each for each in calls if "optim" in program.source(each.node)), calls[0])


def saves_optimizer(program: Program) -> bool:
    """Return True if the file calls ``torch.save`` and the ``state_dict`` of an optimizer."""
    taken = (each.receiver for each in program.calls("method:state_dict"))
    return bool(program.calls("torch.save")) and any(is_optimizer(program, each) for each in taken)


def loads_optimizer(program: Program) -> bool:
    """Return True if the file calls ``load_state_dict`` of an optimizer."""
    return any(is_optimizer(program, each.receiver) for each in program.calls("method:load_state_dict"))


def is_optimizer(program: Program, expr: ast.expr | None) -> bool:
    """Return True if an expression is an optimizer, by its constructor or by its name."""
    if expr is None:
        return False
    return (constructor_name(program, expr) or "").startswith("torch.optim.") or bool(
        {"optimizer", "optim", "opt"} & set(words(expr))
    )


def may_be_saved(program: Program, held: str) -> bool:
    """Return True if any use of a variable may save its state."""
    return any(may_save(program, each) for each in reads_of(program, held))


def reads_of(program: Program, held: str) -> Iterator[ast.expr]:
    """Yield the places where a variable or an attribute is read."""
    found: list[ast.Name | ast.Attribute] = [*program.nodes(ast.Name), *program.nodes(ast.Attribute)]
    for node in found:
        if isinstance(node.ctx, ast.Load) and program.source(node) == held:
            yield node


def may_save(program: Program, node: ast.expr) -> bool:
    """Return True if a use may save the state: ``state_dict``, or a call that takes the whole object."""
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
