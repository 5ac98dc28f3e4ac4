"""Penalties whose ``backward`` is called where gradients are clipped."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.static import Program
from bridle_audit.static.dataflow.penalties import Penalty, penalties_of

PROXIMAL = "with torch.no_grad():  # behind optimizer.step()\n    w.copy_(w.sign() * (w.abs() - lr * l1).clamp(min=0))"
CLIPS = ("clip_grad_norm_", "clip_grad_value_", "clip_grad_norm")


def check(program: Program) -> Iterator[Finding]:
    """Yield a finding for clipping of gradients that contain the gradient of a penalty."""
    penalties = [each for each in penalties_of(program) if each.detached is None and each.framework == "torch"]
    for training in program.trainings if penalties else ():
        inside = [each for each in penalties if enters_loss_of(program, each, training.node)]
        for clip in training.named(*CLIPS):
            if inside and any(each.node.lineno < clip.node.lineno for each in training.backwards):
                yield Finding(
                    program.source(clip.node),
                    f"the penalty {inside[0].source} is part of the gradient that is clipped: in steep "
                    "batches it is shortened with the rest, and its strength is less than what is written",
                    cure(inside[0]),
                    location=clip.location,
                )


def enters_loss_of(program: Program, penalty: Penalty, node: ast.AST) -> bool:
    """Return True if a function adds the penalty to a loss that it calls ``backward`` on."""
    return any((program.function_of(chain.node) or program.tree) is node for chain in penalty.loss_chains)


def cure(penalty: Penalty) -> str:
    """Return a penalty of the same strength that acts after the clipping."""
    if penalty.kind == "l1":
        return PROXIMAL
    twice = f"{2 * penalty.strength:g}" if penalty.strength is not None and penalty.squared else "2 * strength"
    return (
        f"torch.optim.SGD(groups, lr=lr)  # with weight_decay={twice} in the group of the weights, behind the clipping"
    )
