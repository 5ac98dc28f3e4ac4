"""Execution counts: the number of times a call is made, by the loops around it, if their lengths are known."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence

from bridle_audit.static.dataflow.tracing import assigned_values, calls_of, constructor_call, definition_of
from bridle_audit.static.facts.calls import Call, call_of
from bridle_audit.static.program import Program

__all__ = ["call_count"]

# Rows for training and for testing.
ROWS = {"MNIST": (60_000, 10_000), "FashionMNIST": (60_000, 10_000), "KMNIST": (60_000, 10_000)}
ROWS |= {"CIFAR10": (50_000, 10_000), "CIFAR100": (50_000, 10_000)}
TENSOR_FACTORIES = re.compile(r"torch\.(?:randn|rand|zeros|ones|empty|randint)")


def call_count(program: Program, call: Call, depth: int = 3) -> int | None:
    """Return the number of times a call is made, by the loops around it and around the one call of its function."""
    counted = counter_limit(program, call)
    if counted is not None and call.function is None:
        return counted
    counts: list[int | None] = [iteration_count(program, each) for each in call.loops] if counted is None else [counted]
    if call.function is not None:
        callers = calls_of(program, call.function)
        once = 1 if not callers and is_made_in_function(program, call) else None
        counts.append(call_count(program, callers[0], depth - 1) if len(callers) == 1 and depth else once)
    known = [each for each in counts if each is not None]
    return math.prod(known) if len(known) == len(counts) else None


def is_made_in_function(program: Program, call: Call) -> bool:
    """Return True if the receiver or an argument is made in the same function, so that each call of it starts anew."""
    parts = [each for each in [call.receiver, *call.node.args] if isinstance(each, ast.Name)]
    made = [value for each in parts for value in assigned_values(program, each)]
    return any(program.function_of(each) is call.function for each in made)


def counter_limit(program: Program, call: Call) -> int | None:
    """Return the limit of a counter in the innermost loop at which a loop is left; None without a known limit."""
    loops = call.loops
    counts = [each for each in ast.walk(loops[0]) if isinstance(each, ast.AugAssign)] if loops else []
    counters = {
        ast.unparse(each.target) for each in counts if isinstance(each.op, ast.Add) and program.number(each.value) == 1
    }
    limits = set()
    for test in loop_conditions(loops):
        if isinstance(test, ast.Compare) and ast.unparse(test.left) in counters:
            limits.add(program.number(test.comparators[0]))
    limit = limits.pop() if len(limits) == 1 else None
    return int(limit) if limit is not None else None


def loop_conditions(loops: Sequence[ast.AST]) -> Iterator[ast.expr]:
    """Yield the conditions that continue or end loops."""
    for node in (each for loop in loops for each in ast.walk(loop)):
        if isinstance(node, ast.While) or (isinstance(node, ast.If) and leaves_loop(node)):
            yield node.test


def leaves_loop(node: ast.If) -> bool:
    """Return True if the body of an ``if`` leaves a loop."""
    return any(isinstance(each, ast.Break | ast.Return) for each in node.body)


def iteration_count(program: Program, loop: ast.AST) -> int | None:
    """Return the number of iterations of a loop; None if it is not known."""
    if not isinstance(loop, ast.For):
        return None
    return iterable_length(program, loop.iter)


def iterable_length(program: Program, expr: ast.expr) -> int | None:
    """Return the length of an iterable: ``range``, ``enumerate``, ``tqdm``, or a loader of known data."""
    made = constructor_call(program, expr)
    if made is None:
        return None
    name = program.resolve(made.func) or ""
    if name == "range":
        numbers = [program.number(each) for each in made.args]
        whole = [int(each) for each in numbers if each is not None]
        return len(range(*whole)) if len(whole) == len(numbers) and whole else None
    if name in ("enumerate", "tqdm.tqdm", "tqdm.auto.tqdm", "tqdm.trange") and made.args:
        return iterable_length(program, made.args[0])
    if name == "torch.utils.data.DataLoader":
        call = call_of(program, made)
        data, size = call.argument(0, "dataset"), call.number(1, "batch_size", 1)
        count = row_count(program, data) if data is not None else None
        return math.ceil(count / size) if count and size else None
    return None


def row_count(program: Program, data: ast.expr) -> int | None:
    """Return the number of rows of a data set: tensors that are made in the file, or a well-known set."""
    made = constructor_call(program, data)
    name = (program.resolve(made.func) or "") if made is not None else ""
    if made is None or definition_of(program, made) is not None:
        return None
    call, last = call_of(program, made), name.rpartition(".")[2]
    if name == "torch.utils.data.TensorDataset" and made.args:
        return row_count(program, made.args[0])
    if TENSOR_FACTORIES.fullmatch(name) and made.args:
        first = program.value(made.args[-1] if last == "randint" else made.args[0])
        first = first[0] if isinstance(first, tuple | list) and first else first
        return first if isinstance(first, int) and last != "randint" else None
    if name.startswith("torchvision.datasets.") and last in ROWS:
        train = call.value(1, "train", True)
        return ROWS[last][0 if train else 1] if isinstance(train, bool) else None
    return None
