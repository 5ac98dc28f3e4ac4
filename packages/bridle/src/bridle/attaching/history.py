"""What has become of gradients: a step may need them as ``backward()`` has left them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from bridle.attaching.noise import is_distributed
from bridle.errors import StateError

# What is known of a gradient is written on it, so that it is forgotten with it: what happened last, and its version
# then, which every change in place raises.
TAG = "_bridle_last"
BACKWARD, ASCENT, STEP = "backward", "ascent", "step"
CALL = "handle.ascend(closure) once for each step, right behind backward()"


class History:
    """What has become of the gradients since the last step; ``RuntimeError`` where an ascent would take wrong ones.

    ``others_change`` lets somebody change gradients between the two, as a trainer's own hooks do behind each pass.
    """

    def __init__(self) -> None:
        self.resting = False  # within the second pass
        self.behind = False  # whether backward() has added to the gradients of an ascent
        self.others_change = False

    def follow(self, parameter: Tensor) -> RemovableHandle:
        """Hear of each gradient of a parameter."""
        handle: RemovableHandle = parameter.register_post_accumulate_grad_hook(self.note)
        return handle

    def note(self, parameter: Tensor) -> None:
        """The hook behind the accumulation of a gradient."""
        gradient = parameter.grad
        if gradient is None or self.resting:
            return
        if last_of(gradient) == (ASCENT, gradient._version - 1):
            self.behind = True
        setattr(gradient, TAG, (BACKWARD, gradient._version))

    def check_ascent(self, parameters: Iterable[Tensor]) -> None:
        """Before an ascent: the gradients must be there, of this step, and untouched."""
        gradients = [each.grad for each in parameters if each.grad is not None]
        if not gradients:
            raise StateError(f"there are no gradients to ascend by: call {CALL}")
        last = [last_of(each) for each in gradients]
        if self.behind or all(each is not None and each[0] != BACKWARD for each in last):
            raise StateError(f"these gradients were ascended by, or stepped with, already: call {CALL}")
        touched = [each for each, then in zip(gradients, last, strict=True) if then and then[1] != each._version]
        # Where several processes share their gradients, they are written to behind backward().
        if touched and not self.others_change and not is_distributed():
            raise StateError(
                f"the second gradient takes the place of the first, which somebody has changed since backward() "
                f"(clipped, scaled, zeroed), and that would be lost: call {CALL}, and change gradients behind it"
            )

    def check_step(self) -> None:
        """Before a step: nothing was added to the gradients of the ascent."""
        if self.behind:
            raise StateError(
                f"backward() has added to the gradients behind handle.ascend, as when it is called for the first of "
                f"several small batches alone: call {CALL}, with a closure for all of its batches"
            )

    def settled(self, parameters: Iterable[Tensor]) -> None:
        """Small batches became one: the gradients are as ``backward()`` would have left them."""
        mark(parameters, BACKWARD)

    def ascended(self, parameters: Iterable[Tensor]) -> None:
        """The gradients are now those of an ascent."""
        mark(parameters, ASCENT)

    def stepped(self, parameters: Iterable[Tensor]) -> None:
        """The optimizer has taken its step with them."""
        self.behind = False
        mark(parameters, STEP)


def last_of(gradient: Tensor) -> Any:
    """What happened last to a gradient, and its version then; ``None`` where it came without ``backward()``."""
    return getattr(gradient, TAG, None)


def mark(parameters: Iterable[Tensor], what: str) -> None:
    """Note what has happened to the gradients of parameters."""
    for each in parameters:
        if each.grad is not None:
            setattr(each.grad, TAG, (what, each.grad._version))
