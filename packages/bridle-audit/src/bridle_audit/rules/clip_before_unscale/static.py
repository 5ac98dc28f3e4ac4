"""Clipping between a scaled ``backward`` and the scaler's ``step``, with no ``unscale_`` before it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Call, Program
from bridle_audit.static.facts.training_loops import Training

CLIPS = ("clip_grad_norm_", "clip_grad_value_", "clip_grad_norm")
SCALED = re.compile(r"^([\w.]+)\.scale\(")
NOISE = re.compile(r"\.grad\.(?:data\.)?(?:add_\(.*(?:rand|noise)|clamp_\()")


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for clipping between a scaled ``backward`` and ``scaler.step`` without ``unscale_``."""
    for training in program.trainings:
        scalers = [scaler_of(program, call) for call in training.backwards]
        for backward, scaler in zip(training.backwards, scalers, strict=True):
            if scaler is None or is_disabled(program, scaler):
                continue
            for call in gradient_edits(program, training):
                if is_before_step(training, backward, call, scaler) and not is_unscaled(program, training, call):
                    yield Finding(
                        program.source(call.node),
                        f"the gradients are still multiplied by {scaler}'s scale, 65536 at the start: a limit meant "
                        "for them is that many times too small",
                        f"{scaler}.unscale_(optimizer)  # behind the last backward() of a step, before the clipping",
                        location=call.location,
                    )


def scaler_of(program: Program, backward: Call) -> str | None:
    """Return the source of the scaler in ``scaler.scale(loss).backward()``; None without a scaler."""
    node = backward.receiver
    if isinstance(node, ast.Name):
        bindings = program.bindings(node)
        node = bindings[-1] if bindings and bindings[-1] is not None else node
    found = SCALED.match(program.source(node)) if isinstance(node, ast.Call) else None
    return found.group(1) if found else None


def is_disabled(program: Program, scaler: str) -> bool:
    """Return True if every ``GradScaler`` assigned to this name has ``enabled=False``."""
    name = scaler.rpartition(".")[2]
    makers = [each for each in program.all_calls if each.name.rpartition(".")[2] == "GradScaler"]
    made = [each for each in makers if name in program.source(each.statement or each.node).split("=")[0]]
    return bool(made) and all(each.value(None, "enabled", True) is False for each in made)


def gradient_edits(program: Program, training: Training) -> list[Call]:
    """Return the calls that clip the gradients or modify them in place."""
    return [*training.named(*CLIPS), *(each for each in training.calls if NOISE.search(program.source(each.node)))]


def is_before_step(training: Training, backward: Call, call: Call, scaler: str) -> bool:
    """Return True if a call comes after ``backward`` and before a ``step`` of the same scaler."""
    steps = [each for each in training.steps if each.receiver is not None and ast.unparse(each.receiver) == scaler]
    return backward.node.lineno < call.node.lineno and any(call.node.lineno < each.node.lineno for each in steps)


def is_unscaled(program: Program, training: Training, call: Call) -> bool:
    """Return True if ``unscale_`` is called earlier in the training, or anywhere in another function."""
    mine = training.named("unscale_", "unscale_gradients")
    every = program.calls("method:unscale_", "method:unscale_gradients")
    return len(every) > len(mine) or any(each.node.lineno <= call.node.lineno for each in mine)
