"""``torch.compile`` beside attach: programs that were made before know nothing of hooks that are set later."""

from __future__ import annotations

import sys

import torch
from torch import nn


def check_scripted(model: nn.Module) -> None:
    """Raise ``ValueError`` for a model that torch.jit runs in part, where no hook is heard."""
    for name, part in model.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            which = f"its part {name}" if name else "the model"
            raise ValueError(
                f"{which} was made by torch.jit.script or torch.jit.trace and runs without Python, where a recipe "
                f"acts; attach to the model that it was made of, and script that when its training is over"
            )


def forget_programs() -> None:
    """Let compiled models be compiled anew at their next call, and whenever the hooks of a model are others.

    torch keeps programs by the code of a forward, and does not look at hooks unless it is told: not only the model
    itself, another one of its class may have run before.
    """
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None:
        return
    dynamo.config.skip_nnmodule_hook_guards = False
    if dynamo.convert_frame.input_codes.seen:
        torch.compiler.reset()
