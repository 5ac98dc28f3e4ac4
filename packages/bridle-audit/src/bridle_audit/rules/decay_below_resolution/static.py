"""Stated decays below the resolution of the dtype."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.rules.decay_below_resolution.finding import cure
from bridle_audit.static import OptimizerCall, Program

HALF_DIGIT = {"float32": 2.0**-25, "bfloat16": 2.0**-9}  # below 1, where 1 - lr * weight_decay is; less is rounded away
NO_COUPLED = 1e-9  # with weights of 0.05 and gradients of 0.001 it is in the last digit of float32


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for an optimizer whose stated decay is below the resolution of its dtype."""
    for each in program.optimizers:
        if each.framework != "torch" or not isinstance(each.decay, int | float) or each.decay <= 0:
            continue
        kind = "bfloat16" if is_cast_to_bfloat16(program, each) else "float32"
        lost = each.decay * each.lr if isinstance(each.lr, int | float) else None
        if each.decoupled and lost is not None and 0 < lost < HALF_DIGIT[kind]:
            yield Finding(
                each.name,
                f"lr * weight_decay is {lost:.1g}, less than half a digit of {kind} ({HALF_DIGIT[kind]:.1g}): no "
                "weight changes",
                cure(each.lr, True),
                location=each.location,
            )
        elif each.decoupled is False and each.decay < NO_COUPLED:
            yield Finding(
                each.name,
                f"weight_decay={each.decay:g} is added to gradients of float32, whose last digit is larger: next "
                "to none change",
                cure(0.0, False),
                location=each.location,
            )


def is_cast_to_bfloat16(program: Program, optimizer: OptimizerCall) -> bool:
    """Return True if the file casts the whole model of an optimizer to bfloat16."""
    model = program.source(optimizer.parameters).removesuffix(".parameters()") if optimizer.parameters else ""
    for call in program.calls("method:bfloat16", "method:to"):
        target = call.argument(0, "dtype") or call.argument(None, "dtype")
        casts = call.name == "method:bfloat16" or (target is not None and program.resolve(target) == "torch.bfloat16")
        receiver = program.source(call.receiver) if call.receiver is not None else ""
        statement = program.statement_of(call.node)
        assigned = isinstance(statement, ast.Assign) and program.source(statement.targets[0]) == model
        if casts and (receiver == model or assigned):
            return True
    return False
