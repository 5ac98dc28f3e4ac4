"""The frameworks' callbacks, loops with a patience, and states that are not copies."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Call, Program
from bridle_audit.static.dataflow.identifiers import words
from bridle_audit.static.dataflow.tracing import assigned_values
from bridle_audit.wording import plural

PATIENCE = {
    "patience",
    "wait",
    "waited",
    "waiting",
    "bad",
    "counter",
    "stall",
    "stale",
    "stagnant",
    "improve",
    "improvement",
}
KEEPS = ("torch.save", "copy.deepcopy", "copy.copy")
KEEPING = ("state_dict", "save_pretrained", "save_model", "save_checkpoint", "save", "clone", "load_state_dict")
COPY = (
    "best_state = copy.deepcopy(model.state_dict())  # where the score is the best so far\n"
    "model.load_state_dict(best_state)  # behind the loop"
)


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for early stopping, by a callback or by hand, that ends with the last weights."""
    yield from keras_findings(program)
    yield from skorch_findings(program)
    yield from lightning_findings(program)
    yield from loop_findings(program)
    yield from reference_findings(program)


def keras_findings(program: Program) -> Iterator[Finding]:
    """Yield a finding for each Keras ``EarlyStopping`` without restored weights or a checkpoint of the best."""
    kept = any(
        each.value(None, "save_best_only", False) is not False
        for each in program.calls("keras.callbacks.ModelCheckpoint")
    )
    for call in program.calls("keras.callbacks.EarlyStopping"):
        if call.value(6, "restore_best_weights", False) is False and not kept:
            patience = call.number(2, "patience", 0.0)
            yield make_finding(call, patience, "keras.callbacks.EarlyStopping(..., restore_best_weights=True)")


def skorch_findings(program: Program) -> Iterator[Finding]:
    """Yield a finding for each skorch ``EarlyStopping`` without ``load_best`` or a checkpoint."""
    if program.calls("skorch.callbacks.Checkpoint", "skorch.callbacks.TrainEndCheckpoint"):
        return
    for call in program.calls("skorch.callbacks.EarlyStopping"):
        if call.value(6, "load_best", False) is False:
            yield make_finding(
                call, call.number(1, "patience", 5.0), "skorch.callbacks.EarlyStopping(..., load_best=True)"
            )


def lightning_findings(program: Program) -> Iterator[Finding]:
    """Yield a finding for each Lightning ``EarlyStopping`` without a checkpoint, in the file of its trainer."""
    checkpoints = [each for each in program.all_calls if each.name.endswith("ModelCheckpoint")]
    tested = program.calls("method:test")
    if checkpoints or any(call.value(None, "ckpt_path") == "best" for call in tested):
        return
    for call in program.all_calls:
        if (
            call.name.startswith("lightning.")
            and call.name.endswith(".EarlyStopping")
            and program.calls("lightning.Trainer")
        ):
            patience = call.number(2, "patience", 3.0)
            cure = 'ModelCheckpoint(monitor="val_loss")  # and trainer.test(ckpt_path="best")'
            yield make_finding(call, patience, cure)


def make_finding(call: Call, patience: float | None, cure: str) -> Finding:
    """Return the finding for a callback that stops with the last weights; ``patience`` is None if it is unknown."""
    behind = f"{patience:g} {plural('epoch', patience)} behind the best ones" if patience else "not the best ones"
    message = f"the weights that are left when it stops are those of the last epoch, {behind}"
    return Finding(call.name, message, cure, location=call.location)


def loop_findings(program: Program) -> Iterator[Finding]:
    """Yield a finding for each ``break`` by patience in a file that trains and never saves a state."""
    keeps = program.calls(*KEEPS, *(f"method:{each}" for each in KEEPING))
    if keeps or not program.trainings:
        return
    for test in program.nodes(ast.If):
        breaks = any(isinstance(each, ast.Break) for each in test.body)
        if breaks and isinstance(test.test, ast.Compare) and PATIENCE & set(words(test.test)):
            yield Finding(
                program.source(test.test),
                "training stops here with the weights of the last epoch: this file keeps none of an earlier one",
                COPY,
                location=program.location(test.test),
            )


def reference_findings(program: Program) -> Iterator[Finding]:
    """Yield a finding for each ``best = model.state_dict()`` in a loop that is loaded later without a copy."""
    loaded = [each.argument(0, "state_dict") for each in program.calls("method:load_state_dict")]
    for assign in program.nodes(ast.Assign):
        value, target = assign.value, assign.targets[0]
        if (
            not is_state_or_none(value)
            or not program.enclosing(assign, ast.If)
            or not program.enclosing(assign, ast.For, ast.While)
        ):
            continue
        text = program.source(target)
        later = [each for each in loaded if each is not None and program.source(each) == text]
        if (
            later
            and isinstance(target, ast.Name | ast.Attribute)
            and all(map(is_state_or_none, assigned_values(program, later[0])))
        ):
            yield Finding(
                text,
                "model.state_dict() is not a copy: it holds the tensors that training goes on changing, so what is "
                "loaded later is the last weights",
                COPY,
                location=program.location(assign),
            )


def is_state_or_none(expr: ast.expr) -> bool:
    """Return True for ``model.state_dict()`` and for None, its placeholder before the first score."""
    if isinstance(expr, ast.Constant):
        return expr.value is None
    return isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr == "state_dict"
