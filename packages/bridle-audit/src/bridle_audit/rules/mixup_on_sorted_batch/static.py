"""Loaders that do not shuffle, around a mixing, or with one as their ``collate_fn``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Call, Program
from bridle_audit.static.dataflow.tracing import (
    constructor_call,
    constructor_name,
    definition_of,
    reachable_nodes,
    source_expressions,
)

CURE = "DataLoader(dataset, batch_size=64, shuffle=True)"
MIXERS = re.compile(
    r"^(?:torchvision\.transforms\.v2\.(?:MixUp|CutMix)|timm\.data\.(?:mixup\.)?(?:Mixup|FastCollateMixup))$"
)
MIXING = re.compile(r"(?i)mixup|cutmix|\.(?:roll|flip)\(")  # without which no file mixes
INDEXED = re.compile(r"^torch\.utils\.data\.(?:TensorDataset|Subset)$|^torchvision\.datasets\.\w+$")
NEIGHBOURS = ("roll", "flip")  # x.roll(1, 0), x.flip(0): the partner is found by its position


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for a loader without shuffling whose neighbouring rows are mixed."""
    if not MIXING.search(program.text):
        return
    loaders = [each for each in program.calls("torch.utils.data.DataLoader") if is_unshuffled(program, each)]
    mixings: list[ast.expr] = (
        [each for each in program.nodes(ast.Call) if mixes_neighbours(program, each)] if loaders else []
    )
    mixings += [each for each in program.nodes(ast.BinOp) if is_neighbour_sum(program, each)] if loaders else []
    for call in loaders:
        if has_mixing_collate(program, call) or any(loops_over(program, call, each) for each in mixings):
            yield Finding(
                program.source(call.node),
                "this loader does not shuffle, and its rows are mixed with their neighbours: in sorted data these have "
                "the same label",
                CURE,
                location=call.location,
            )


def is_unshuffled(program: Program, call: Call) -> bool:
    """Return True if a loader is known not to shuffle: it says so, or its data set is indexed."""
    own = any(call.states(None, each) for each in ("sampler", "batch_sampler")) or call.states(3, "sampler")
    if own or call.open or call.value(2, "shuffle", False) is not False:
        return False
    data = call.argument(0, "dataset")
    return call.states(2, "shuffle") or (
        data is not None and INDEXED.match(constructor_name(program, data) or "") is not None
    )


def mixes_neighbours(program: Program, call: ast.Call) -> bool:
    """Return True if a call mixes each row of a batch with a neighbour."""
    made = constructor_call(program, call.func) if isinstance(call.func, ast.Name | ast.Attribute) else None
    if made is not None and any(is_mixer(program, each) for each in ast.walk(made)):
        return True
    function = definition_of(program, call)
    return function is not None and any(is_neighbour_sum(program, each) for each in ast.walk(function))


def is_mixer(program: Program, node: ast.AST) -> bool:
    """Return True if a node constructs a MixUp or CutMix transform."""
    return isinstance(node, ast.Call) and MIXERS.match(program.resolve(node.func) or "") is not None


def is_neighbour_sum(program: Program, node: ast.AST) -> bool:
    """Return True for ``lam * x + (1 - lam) * x.flip(0)``."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
        return False
    sides = (node.left, node.right)
    products = [each for each in sides if isinstance(each, ast.BinOp) and isinstance(each.op, ast.Mult)]
    inner = [
        each for side in products for part in ast.walk(side) for each in [part, *assigned_expressions(program, part)]
    ]
    moved = [each for each in inner if isinstance(each, ast.Call) and moves_rows(program, each)]
    return len(products) == 2 and bool(moved)


def assigned_expressions(program: Program, node: ast.AST) -> list[ast.expr]:
    """Return the expressions that a variable is assigned; none for any other node."""
    return source_expressions(program, node) if isinstance(node, ast.Name) else []


def moves_rows(program: Program, call: ast.Call) -> bool:
    """Return True for ``x.flip(0)``, ``x.roll(1, 0)``, ``torch.flip(x, [0])``, ``torch.roll(x, 1, 0)``."""
    last = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    values = [program.value(each) for each in [*call.args, *(each.value for each in call.keywords)]]
    return last in NEIGHBOURS and bool(values) and (values[-1] == 0 or values[-1] in ([0], (0,)))


def loops_over(program: Program, loader: Call, mixing: ast.expr) -> bool:
    """Return True if the mixing is within a loop over the loader."""
    loops = [each for each in program.loops_around(mixing) if isinstance(each, ast.For)]
    return any(iterated_call(program, each.iter) is loader.node for each in loops)


def iterated_call(program: Program, expr: ast.expr) -> ast.Call | None:
    """Return the call that a loop iterates over, without ``enumerate`` and ``tqdm``."""
    made = constructor_call(program, expr)
    if (
        made is not None
        and made.args
        and (program.resolve(made.func) or "").rpartition(".")[2] in ("enumerate", "tqdm")
    ):
        return iterated_call(program, made.args[0])
    return made


def has_mixing_collate(program: Program, call: Call) -> bool:
    """Return True if the loader's ``collate_fn`` mixes rows."""
    function = call.argument(6, "collate_fn")
    if function is None:
        return False
    if MIXERS.match(constructor_name(program, function) or ""):
        return True
    name = program.resolve(function)
    found = [each for each in program.functions if each.name == name]
    inner = reachable_nodes(program, found[0]) if len(found) == 1 else ast.walk(function)
    return any(isinstance(each, ast.Call) and mixes_neighbours(program, each) for each in inner)
