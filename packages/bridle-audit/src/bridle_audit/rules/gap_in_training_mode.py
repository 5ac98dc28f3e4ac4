"""The gap between training and validation is taken from a loss or accuracy with dropout at work.

What it finds:
    A model whose dropout changes its loss much: the loss of one batch, with what is dropped and without, differs by
    more than a quarter. Then training numbers that are collected in the loop cannot be set against validation numbers.
    In a file: a difference of the two, or of Keras's ``history``, for a network with dropout.

Why it hurts:
    The training loss is that of a network of which half is missing, the validation loss that of the whole. In the
    example the same 64 rows cost 0.43 with dropout and 0.31 without. A gap that is measured so is too small, or
    negative, as if the network did better on rows that it has never seen, and the regularization that it calls for is
    set too weak.

Example:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(64, 20), torch.arange(64) % 4
    x_valid, y_valid = torch.randn(64, 20), torch.arange(64) % 4
    for epoch in range(60):
        model.train()
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        train_loss = value.item()
        model.eval()
        with torch.no_grad():
            valid_loss = loss(model(x_valid), y_valid).item()
        gap = valid_loss - train_loss

Use instead:
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 4))  # milder, and:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    loss = nn.CrossEntropyLoss()
    x, y = torch.randn(64, 20), torch.arange(64) % 4
    x_valid, y_valid = torch.randn(64, 20), torch.arange(64) % 4
    for epoch in range(60):
        model.train()
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            train_loss = loss(model(x), y).item()
            valid_loss = loss(model(x_valid), y_valid).item()
        gap = valid_loss - train_loss

References:
    Keras, issue 6876: training loss above validation loss, https://github.com/keras-team/keras/issues/6876
    Keras, frequently asked questions: why is my training loss much higher, https://keras.io/getting_started/faq/
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import scalar_of
from bridle_audit.probe.setup import Setup
from bridle_audit.static import Program
from bridle_audit.static.dataflow.tracing import Loop, assigned, definition_of, loops_around
from bridle_audit.static.dataflow.wording import EVALUATION, TEST, TRAINING, VALIDATION, speaks_of, words
from bridle_audit.static.facts.calls import is_under_no_grad

SEVERITY = "note"
MEASURES = {"loss", "acc", "accuracy", "error", "err", "score", "f", "auc", "perplexity", "ppl", "mse"}
MUCH = 0.25  # of the larger of the two losses
CURE = (
    "model.eval()\n"
    "with torch.no_grad():\n"
    "    train_loss = loss(model(x_train), y_train)  # the rows once more, as the validation rows are scored"
)


def probe(setup: Setup) -> Iterator[Finding]:
    """The loss of one batch in training mode, with dropout and without; all else is the same."""
    if setup.training is None or setup.training.loss is None or not any(each.drops for each in setup.uses):
        return
    dropped, whole = setup.training.loss, loss_without_dropout(setup)
    if whole is None or abs(dropped - whole) <= MUCH * max(abs(dropped), abs(whole)):
        return
    yield Finding(
        "the loss",
        f"the same batch has a loss of {dropped:.3g} with dropout and {whole:.3g} without: a gap to validation that is "
        "taken from training passes is off by the difference",
        CURE,
        {"with dropout": dropped, "without dropout": whole},
    )


def loss_without_dropout(setup: Setup) -> float | None:
    """The loss of the pass in which nothing is dropped."""
    if setup.undropped is None or setup.batch is None:
        return None
    if setup.loss_function is None:
        return setup.undropped.loss
    value = scalar_of(setup.loss_function(setup.undropped.output, setup.batch.y))
    return None if value is None else float(value.detach())


def read(program: Program) -> Iterator[Finding]:
    """A difference of a training and a validation score, the first of them met in training, of a network that drops."""
    if not drops(program):
        return
    for node in program.nodes(ast.BinOp):
        sides = (node.left, node.right)
        if isinstance(node.op, ast.Sub) and (
            of_history(*sides) or of_loop(program, *sides) or of_loop(program, *sides[::-1])
        ):
            yield Finding(
                program.source(node),
                "the training score in this difference is one of a network with dropout at work, the other is not",
                CURE,
                place=program.place(node),
            )


def drops(program: Program) -> bool:
    """Whether the file has a dropout that is on, or may be."""
    dropouts = program.calls("torch.nn.Dropout*", "torch.nn.functional.dropout*", "keras.layers.*Dropout*")
    dropouts += program.calls("keras.layers.SpatialDropout*", "keras.layers.GaussianDropout")
    return any(each.value(1 if ".functional." in each.name else 0, "p", 0.5) != 0 for each in dropouts)


def of_history(left: ast.expr, right: ast.expr) -> bool:
    """``history["accuracy"] - history["val_accuracy"]``, either way, with whatever is taken of the two."""
    keys = [{each.value for each in ast.walk(side) if isinstance(each, ast.Constant)} for side in (left, right)]
    words = [{each for each in side if isinstance(each, str)} for side in keys]
    pairs = [(one, other) for one in words[0] for other in words[1]]
    return any(f"val_{one}" == other or f"val_{other}" == one for one, other in pairs)


def of_loop(program: Program, trained: ast.expr, other: ast.expr) -> bool:
    """Whether one is a training score that was gathered where ``backward`` is called, and the other one is not."""
    if not isinstance(trained, ast.Name) or not isinstance(other, ast.Name):
        return False
    kinds = speaks_of(trained, TRAINING) and any(speaks_of(other, each) for each in (VALIDATION, EVALUATION, TEST))
    measures = MEASURES & set(words(trained)) & set(words(other))
    return bool(kinds and measures) and gathered_in_training(program, trained)


def gathered_in_training(program: Program, score: ast.Name) -> bool:
    """Whether a score is what a training function returns, or is set next to a ``backward``."""
    made = [each for each in assigned(program, score) if not is_under_no_grad(program, each)]
    calls = [each for value in made for each in ast.walk(value) if isinstance(each, ast.Call)]
    functions = [definition_of(program, each) for each in calls]
    training = {each.node for each in program.trainings}
    if any(each in training for each in functions if each is not None):
        return True
    backwards = [each for each in program.calls("method:backward") if each.function is program.function_of(score)]
    loops = {loop for each in backwards for loop in each.loops[:1]}
    parts = {each.id for value in made for each in ast.walk(value) if isinstance(each, ast.Name)} | {score.id}
    return any(loops & set(loops_around(program, value)[:1]) for value in made) or added_in(program, parts, loops)


def added_in(program: Program, parts: set[str], loops: set[Loop]) -> bool:
    """Whether one of some variables is summed in one of the loops."""
    sums = [each for loop in loops for each in ast.walk(loop) if isinstance(each, ast.AugAssign)]
    mine = [each for each in sums if isinstance(each.target, ast.Name) and each.target.id in parts]
    return any(not is_under_no_grad(program, each) for each in mine)
