"""Groups picked by a list of names of biases and norms, with the decay at the wrong one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.swapped_decay_groups.finding import CURE
from bridle_audit.static import Program

EXEMPT = ("bias", "norm", "Norm", "bn", "ln")  # words in the names of what is meant to go without


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for groups by a list of exempt names whose decays are swapped."""
    for optimizer in program.optimizers:
        decays = {}
        for group in optimizer.groups:
            strength, picked = group.value("weight_decay", None), selects_exempt(program, group.expr("params"))
            if picked is not None and isinstance(strength, int | float):
                decays[picked] = (float(strength), group.node)
        if {True, False} <= set(decays) and decays[True][0] > 0 and decays[False][0] == 0:
            yield Finding(
                "the optimizer's groups",
                f"the parameters that are named in the list of exceptions decay by {decays[True][0]:g}, all "
                "others by 0",
                CURE,
                location=program.location(decays[True][1]),
            )


def selects_exempt(program: Program, params: ast.expr | None) -> bool | None:
    """Return True if a comprehension selects by a list of biases and norms, False if it excludes them, else None."""
    if not isinstance(params, ast.ListComp | ast.GeneratorExp) or len(params.generators) != 1:
        return None
    conditions = params.generators[0].ifs
    if len(conditions) != 1:
        return None
    test, takes = conditions[0], True
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, takes = test.operand, False
    if not isinstance(test, ast.Call) or program.resolve(test.func) != "any" or len(test.args) != 1:
        return None
    inner = test.args[0]
    if not isinstance(inner, ast.GeneratorExp | ast.ListComp) or len(inner.generators) != 1:
        return None
    compared = inner.elt
    if not isinstance(compared, ast.Compare) or not isinstance(compared.ops[0], ast.In):
        return None
    words = program.value(inner.generators[0].iter)
    listed = isinstance(words, list | tuple) and any(part in str(word) for word in words for part in EXEMPT)
    return takes if listed else None
