"""Norms that are frozen with all that feeds them, and that a pass in training mode moves."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from bridle_audit.findings import Finding
from bridle_audit.probe.forward import ModuleCall
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for frozen norms whose running statistics change in training mode."""
    if setup.training is None or not setup.was_training:  # in which mode the loop runs is then not known
        return
    if not any(each.requires_grad for each in setup.parameters.values()):
        return
    moves = {call.name: running_mean_shift(setup, call.name) for call in setup.training.leaf_calls if is_frozen(call)}
    moves = {name: each for name, each in moves.items() if each > 0}
    if moves:
        worst = max(moves, key=lambda name: moves[name])
        yield Finding(
            first_names(list(moves)),
            f"one batch in training mode moves the running mean of layer {worst} by {moves[worst]:.2g} standard "
            "deviations, though its parameters and all that feeds it are frozen",
            f'model.get_submodule("{worst}").eval()  # behind every model.train()',
            {"norms": float(len(moves)), "shift": moves[worst]},
        )


def is_frozen(call: ModuleCall) -> bool:
    """Return True if a norm ran in training mode while its parameters and its input need no gradient."""
    held = list(call.module.parameters())
    if not isinstance(call.module, nn.modules.batchnorm._NormBase) or not call.training or call.input_requires_grad:
        return False
    return bool(held) and not any(each.requires_grad for each in held)


def running_mean_shift(setup: Setup, name: str) -> float:
    """Return the root mean square shift of the running mean in a pass, in running standard deviations."""
    norm = setup.modules[name]
    mean, variance = getattr(norm, "running_mean", None), getattr(norm, "running_var", None)
    moved = setup.training.buffers.get(f"{name}.running_mean" if name else "running_mean") if setup.training else None
    if mean is None or variance is None or moved is None:
        return 0.0
    return float(((moved - mean).double().square() / (variance.double() + torch.finfo(torch.float).tiny)).mean().sqrt())
