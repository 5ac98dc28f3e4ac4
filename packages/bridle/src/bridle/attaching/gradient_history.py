"""The history of gradients: an ascent needs them as ``backward()`` has left them."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from bridle.attaching.noise import is_distributed
from bridle.errors import StateError

__all__ = ["GradientHistory"]

# What is known of a gradient is written on it, so that it is forgotten with it: what happened last, and its version
# then, which every change in place raises.
EVENT_ATTRIBUTE = "_bridle_last"
BACKWARD, ASCENT, STEP = "backward", "ascent", "step"
HOW_TO_CALL = "handle.ascend(closure) once for each step, right behind backward()"


class GradientHistory:
    """Records what was done to gradients since the last step; ``RuntimeError`` for an ascent with wrong ones.

    ``allows_changes`` lets others change gradients between ``backward()`` and the ascent, as a trainer's hooks do.
    """

    def __init__(self) -> None:
        self.paused = False  # within the second pass
        self.added_after_ascent = False  # whether backward() has added to the gradients of an ascent
        self.allows_changes = False

    def follow(self, parameter: Tensor) -> RemovableHandle:
        """Register :meth:`note` as a hook on a parameter's gradient."""
        handle: RemovableHandle = parameter.register_post_accumulate_grad_hook(self.note)
        return handle

    def note(self, parameter: Tensor) -> None:
        """Record that ``backward()`` has accumulated a gradient: a post-accumulate hook."""
        gradient = parameter.grad
        if gradient is None or self.paused:
            return
        if last_event(gradient) == (ASCENT, gradient._version - 1):
            self.added_after_ascent = True
        setattr(gradient, EVENT_ATTRIBUTE, (BACKWARD, gradient._version))

    def check_ascent(self, parameters: Iterable[Tensor]) -> None:
        """Raise ``RuntimeError`` unless the gradients exist, are of this step, and are unmodified."""
        gradients = [each.grad for each in parameters if each.grad is not None]
        if not gradients:
            raise StateError(f"there are no gradients to ascend by: call {HOW_TO_CALL}")
        last = [last_event(each) for each in gradients]
        if self.added_after_ascent or all(each is not None and each[0] != BACKWARD for each in last):
            raise StateError(f"these gradients were ascended by, or stepped with, already: call {HOW_TO_CALL}")
        touched = [each for each, then in zip(gradients, last, strict=True) if then and then[1] != each._version]
        # Where several processes share their gradients, they are written to behind backward().
        if touched and not self.allows_changes and not is_distributed():
            raise StateError(
                f"the second gradient takes the place of the first, which somebody has changed since backward() "
                f"(clipped, scaled, zeroed), and that would be lost: call {HOW_TO_CALL}, and change gradients behind it"
            )

    def check_step(self) -> None:
        """Raise ``RuntimeError`` if anything was added to the gradients of the ascent."""
        if self.added_after_ascent:
            raise StateError(
                f"backward() has added to the gradients behind handle.ascend, as when it is called for the first of "
                f"several small batches alone: call {HOW_TO_CALL}, with a closure for all of its batches"
            )

    def record_averaged(self, parameters: Iterable[Tensor]) -> None:
        """Record averaged gradients of small batches as those of one ``backward()``."""
        record_event(parameters, BACKWARD)

    def record_ascent(self, parameters: Iterable[Tensor]) -> None:
        """Record that the gradients are those of an ascent."""
        record_event(parameters, ASCENT)

    def record_step(self, parameters: Iterable[Tensor]) -> None:
        """Record that the optimizer has stepped with the gradients."""
        self.added_after_ascent = False
        record_event(parameters, STEP)


def last_event(gradient: Tensor) -> tuple[str, int] | None:
    """Return the last event of a gradient and its version then; ``None`` if it did not come by ``backward()``."""
    return getattr(gradient, EVENT_ATTRIBUTE, None)


def record_event(parameters: Iterable[Tensor], event: str) -> None:
    """Record an event on the gradients of parameters."""
    for each in parameters:
        if each.grad is not None:
            setattr(each.grad, EVENT_ATTRIBUTE, (event, each.grad._version))
