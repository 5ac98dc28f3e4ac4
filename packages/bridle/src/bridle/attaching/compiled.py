"""``torch.compile``: programs compiled before attach must be recompiled to call the recipe's hooks."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import torch
from torch import nn

from bridle.errors import InputError

__all__ = ["GUARDS", "check_scripted"]


def check_scripted(model: nn.Module) -> None:
    """Raise ``ValueError`` for a model with parts of torch.jit, which call no hooks."""
    for name, part in model.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            which = f"its part {name}" if name else "the model"
            raise InputError(
                f"{which} was made by torch.jit.script or torch.jit.trace and runs without Python, where a recipe "
                f"acts; attach to the model that it was made of, and script that when its training is over"
            )


class CompileGuards:
    """Makes compiled programs guard on modules' hooks while recipes are attached, which torch skips by default."""

    def __init__(self) -> None:
        self.attached = 0  # recipes
        self.before: bool | None = None  # what torch's setting was without any

    def keep(self, undo: ExitStack) -> None:
        """Have compiled models recompiled at their next call, now, when the recipe ends, and when hooks change.

        torch keeps programs by the code of a forward: not only the model itself, another one of its class may have run
        before.
        """
        self.attached += 1
        undo.callback(self.leave)
        self.forget_programs()

    def leave(self) -> None:
        """Count one recipe less; restore torch's setting after the last."""
        self.attached -= 1
        self.forget_programs()
        if not self.attached and self.before is not None:
            sys.modules["torch._dynamo"].config.skip_nnmodule_hook_guards = self.before
            self.before = None

    def forget_programs(self) -> None:
        """Reset torch.compile, if anything was compiled, so that programs guard on hooks."""
        dynamo = sys.modules.get("torch._dynamo")
        if dynamo is None:
            return
        if self.before is None:
            self.before = dynamo.config.skip_nnmodule_hook_guards
        dynamo.config.skip_nnmodule_hook_guards = False
        if dynamo.convert_frame.input_codes.seen:
            torch.compiler.reset()


GUARDS = CompileGuards()  # torch's setting is one for the whole process
