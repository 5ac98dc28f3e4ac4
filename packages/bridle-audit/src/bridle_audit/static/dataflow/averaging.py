"""Averaged models (SWA, EMA) as programs write them: how they average, what, and for how many steps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from bridle_audit.static.dataflow.counting import call_count
from bridle_audit.static.dataflow.identifiers import words
from bridle_audit.static.dataflow.tracing import assigned_values, calls_of, constructor_name, factors, passed_arguments
from bridle_audit.static.facts.calls import Call
from bridle_audit.static.program import Program

__all__ = [
    "AVERAGED",
    "average_decays",
    "averages_buffers",
    "estimates_statistics",
    "hand_written_averages",
    "is_exponential",
    "is_used",
]

AVERAGED = "torch.optim.swa_utils.AveragedModel"
EMA_FUNCTIONS = ("torch.optim.swa_utils.get_ema_multi_avg_fn", "torch.optim.swa_utils.get_ema_avg_fn")
# Classes that average exponentially, without a warmup: where they take their decay, and what it is by default.
EMAS: dict[str, tuple[int, str, float]] = {
    "timm.utils.ModelEma": (1, "decay", 0.9999),
    "timm.utils.ModelEmaV2": (1, "decay", 0.9999),
    "timm.utils.ModelEmaV3": (1, "decay", 0.9999),
}
UPDATES = ("update_parameters", "update")
NORMS = {"bn", "batchnorm"}
VERB_WORDS = "update reset recompute recalibrate calibrate estimate reestimate refresh fix adjust"
VERBS = frozenset(VERB_WORDS.split())


def is_exponential(call: Call) -> bool | None:
    """Return True if an ``AveragedModel`` has an averaging function of its own; None if that is not known."""
    if call.open:
        return None
    return call.states(2, "avg_fn") or call.states(3, "multi_avg_fn")


def averages_buffers(call: Call) -> bool:
    """Return False only if an ``AveragedModel`` surely leaves buffers out of the average."""
    return call.value(4, "use_buffers", False) is not False


def estimates_statistics(program: Program) -> bool:
    """Return True if the file calls anything that re-estimates batch-norm statistics, by whatever name."""
    called = [set(words(each.node.func)) for each in program.all_calls]
    return "update_bn" in program.text or any(NORMS & each and VERBS & each for each in called)


def is_used(program: Program, call: Call) -> bool:
    """Return True if the file calls the result of a call, evaluates it, or passes it to a function."""
    statement = call.statement
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    held = {program.source(each) for each in targets if isinstance(each, ast.Name | ast.Attribute)}
    return any(uses(program, each, held) for each in program.all_calls)


def uses(program: Program, call: Call, held: set[str]) -> bool:
    """Return True if a call calls one of the variables, evaluates it, or takes it as an argument."""
    function = call.node.func
    if program.source(function) in held or (
        call.name == "method:eval" and source_or_empty(program, call.receiver) in held
    ):
        return True
    return call.name != "torch.save" and any(source_or_empty(program, each) in held for each in call.node.args)


def source_or_empty(program: Program, node: ast.expr | None) -> str:
    """A node's text; empty for None."""
    return program.source(node) if node is not None else ""


def average_decays(program: Program) -> Iterator[tuple[ast.AST, float, int]]:
    """Yield the nodes that state the decay of an exponential average, with the decay and the number of updates."""
    updates = update_count(program)
    for call, decay in stated_decays(program) if updates else ():
        yield call.node, decay, updates or 0
    for average in hand_written_averages(program):
        share, count = resolve_number(program, average.decay), loop_runs(program, average.loop)
        if share is not None and count and 0 < share < 1:
            yield decay_node(program, average), share, count


def decay_node(program: Program, average: HandWrittenAverage) -> ast.AST:
    """Return the node that states an average's decay: the one call of its function, or the average itself."""
    decay = average.decay
    held = assigned_values(program, decay)
    name = held[0] if len(held) == 1 else decay
    function = program.function_of(name)
    calls = calls_of(program, function) if function is not None else []
    is_argument = isinstance(name, ast.Name) and program.bindings(name) == [None]
    return calls[0].node if calls and is_argument else average.node


def stated_decays(program: Program) -> Iterator[tuple[Call, float]]:
    """The calls that say how an exponential average forgets, with its decay."""
    for call in program.calls(*EMA_FUNCTIONS):
        decay = call.number(0, "decay", 0.999)
        if decay is not None:
            yield call, decay
    for call in program.calls(*EMAS):
        decay = call.number(*EMAS[call.name])
        if decay is not None and call.value(None, "use_warmup", False) is False:
            yield call, decay


@dataclass(frozen=True)
class HandWrittenAverage:
    """An average of parameters that a file takes in a loop of its own."""

    loop: ast.For
    node: ast.AST  # the statement or call that mixes old and new
    decay: ast.expr  # d, where the new one gets 1 - d
    models: tuple[ast.expr, ...]  # of whose parameters the loop speaks


def hand_written_averages(program: Program) -> Iterator[HandWrittenAverage]:
    """``shadow[name] = d * shadow[name] + (1 - d) * p``, or the same in place, in loops over parameters."""
    for loop in program.nodes(ast.For):
        models = tuple(parameters_in(loop.iter))
        found = [find_mixing(each) for each in loop.body] if models else []
        yield from (HandWrittenAverage(loop, *each, models) for each in found if each is not None)


def parameters_in(expr: ast.expr) -> list[ast.expr]:
    """The networks of whose parameters an expression speaks: of ``zip(a.parameters(), b.parameters())``, both."""
    calls = [
        each.func for each in ast.walk(expr) if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute)
    ]
    return [each.value for each in calls if each.attr in ("parameters", "named_parameters")]


def find_mixing(statement: ast.stmt) -> tuple[ast.AST, ast.expr] | None:
    """The node within a statement that mixes old and new by d and 1 - d, and d."""
    for each in ast.walk(statement):
        decay = None
        if isinstance(each, ast.Call):
            decay = in_place_mixing_decay(each)
        elif isinstance(each, ast.Assign) and isinstance(each.value, ast.BinOp):
            decay = assigned_mixing_decay(each)
        if decay is not None:
            return each, decay
    return None


def in_place_mixing_decay(call: ast.Call) -> ast.expr | None:
    """d in ``ema.mul_(d).add_(p, alpha=1 - d)``, or ``ema.lerp_(p, 1 - d)``."""
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in ("add_", "lerp_"):
        return None
    inner = function.value
    scaled = isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr == "mul_"
    rests = [each for each in ast.walk(call) if isinstance(each, ast.BinOp) and is_one_minus(each)]
    return rests[0].right if rests and (scaled or function.attr == "lerp_") else None


def assigned_mixing_decay(assign: ast.Assign) -> ast.expr | None:
    """d in ``a = d * a + (1 - d) * p``: one variable on both sides, and both shares."""
    value, target = assign.value, ast.unparse(assign.targets[0]).removesuffix(".data")
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add):
        return None
    above = {ast.unparse(each) for side in (value.left, value.right) for each in factors(side)[0]}
    rests = [each.right for each in ast.walk(value) if isinstance(each, ast.BinOp) and is_one_minus(each)]
    known = [each for each in rests if ast.unparse(each) in above]
    return known[0] if known and any(target in each for each in above) else None


def is_one_minus(node: ast.BinOp) -> bool:
    """``1 - d``."""
    return isinstance(node.op, ast.Sub) and isinstance(node.left, ast.Constant) and node.left.value == 1


def resolve_number(program: Program, expr: ast.expr) -> float | None:
    """A number, also that of an argument for which the one call in the file gives it."""
    value = program.number(expr)
    if value is not None:
        return value
    held = passed_arguments(program, expr) if isinstance(expr, ast.Name) else assigned_values(program, expr)
    return resolve_number(program, held[0]) if len(held) == 1 and held[0] is not expr else None


def loop_runs(program: Program, loop: ast.For) -> int | None:
    """Return the total number of times that an averaging loop is run; None if it is not known."""
    function = program.function_of(loop)
    calls = calls_of(program, function) if function is not None else []
    return call_count(program, calls[0]) if len(calls) == 1 else None


def update_count(program: Program) -> int | None:
    """Return the total number of updates of a file's one averaged model, by the loops around; None if not known."""
    calls = [each for each in program.all_calls if each.name in [f"method:{name}" for name in UPDATES]]
    found = [
        each
        for each in calls
        if (constructor_name(program, each.receiver) if each.receiver else None) in (AVERAGED, *EMAS)
    ]
    return call_count(program, found[0]) if len(found) == 1 else None
