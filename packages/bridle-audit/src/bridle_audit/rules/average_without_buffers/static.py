"""A moving average of parameters alone, of a network with batch norm."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.average_without_buffers.finding import CURE
from bridle_audit.static import Program
from bridle_audit.static.dataflow.averaging import (
    AVERAGED,
    averages_buffers,
    estimates_statistics,
    hand_written_averages,
    is_exponential,
    is_used,
)
from bridle_audit.static.dataflow.modes import has_batch_norm

BUFFERS = {"buffers", "named_buffers"}
KERAS = "for x, _ in train:\n    model(x, training=True)  # measures the statistics of the averaged weights"
COPY = (
    "for held, current in zip(ema.buffers(), model.buffers()):\n"
    "    held.copy_(current)  # or averaged as the parameters are, where they are floating-point numbers"
)


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for an average of the parameters alone, of a network with batch norm."""
    for call in program.calls(AVERAGED):
        partial = is_exponential(call) and not averages_buffers(call) and not estimates_statistics(program)
        if partial and has_batch_norm(program, call.argument(0, "model")) and is_used(program, call):
            yield make_finding(program, call.node, CURE)
    for call in program.calls("keras.optimizers.*"):
        if call.value(None, "use_ema", False) is True and program.calls("keras.layers.BatchNormalization"):
            yield make_finding(program, call.node, KERAS)
    for node in averages_without_buffers(program):
        yield make_finding(program, node, COPY)


def make_finding(program: Program, node: ast.AST, cure: str) -> Finding:
    """Return the finding for one average, with the cure that fits how it is written."""
    return Finding(
        program.source(node).partition("\n")[0],
        "the parameters are averaged and the running statistics of batch norm are not: they belong to other weights",
        cure,
        location=program.location(node),
    )


def averages_without_buffers(program: Program) -> Iterator[ast.AST]:
    """Yield each hand-written average of parameters that leaves the buffers of a batch norm network alone.

    Where it goes over two networks, the averaged one must be one that is put in evaluation mode: in training mode it
    has statistics of its own, as a teacher or a target often has.
    """
    attributes = {each.attr for each in program.nodes(ast.Attribute)}
    if attributes & BUFFERS or estimates_statistics(program) or not program.calls("torch.nn.BatchNorm*"):
        return
    evaluated = set(evaluated_models(program))
    for average in hand_written_averages(program):
        owners = [program.source(each) for each in average.models]
        if len(owners) == 1 or (len(owners) == 2 and evaluated & set(owners)):
            yield average.node


def evaluated_models(program: Program) -> Iterator[str]:
    """Yield the source of each model on which ``eval()`` is called, or that is assigned from such a call."""
    for call in program.calls("method:eval"):
        if call.receiver is not None:
            yield program.source(call.receiver)
        if isinstance(call.statement, ast.Assign) and call.statement.value is call.node:
            yield program.source(call.statement.targets[0])
