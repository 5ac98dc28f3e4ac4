"""The calls in the user's loop that a recipe needs, and a check that none is missing."""

from __future__ import annotations

from bridle.attaching.assembly import Assembly
from bridle.errors import StateError

__all__ = ["ASCEND", "BATCH", "PENALTY", "RequiredCalls"]

BATCH, PENALTY, ASCEND = "batch", "penalty", "ascend"
EXAMPLES = {
    BATCH: "x, y = handle.batch(x, y)  # before the model sees them",
    PENALTY: "loss = criterion(model(x), y) + handle.penalty()",
    ASCEND: "handle.ascend(lambda: criterion(model(x), y))  # behind loss.backward()",
}


class RequiredCalls:
    """The calls that a recipe needs, and those made since the last step."""

    def __init__(self, parts: Assembly) -> None:
        needs = {BATCH: parts.batch_transforms.units, PENALTY: parts.forward_penalties, ASCEND: parts.ascents}
        self.recipe, self.needed = parts.recipe, {name for name, units in needs.items() if units}
        self.called: set[str] = set()

    def record(self, name: str) -> bool:
        """Record a call; return True if the recipe needs it."""
        self.called.add(name)
        return name in self.needed

    def check(self) -> None:
        """Raise ``RuntimeError`` if a call is missing."""
        for name, line in EXAMPLES.items() if not self.needed <= self.called else ():
            if name in self.needed - self.called:
                raise StateError(f"{str(self.recipe)!r} needs a line in the loop that was not called: {line}")
