"""The objective of a step as code: the loss on a batch with its penalties, once or, for SAM, as a function."""

from __future__ import annotations

from bridle.exporting.batch_transforms import BatchTransformCode
from bridle.exporting.calls import remark
from bridle.exporting.passes import PassCode
from bridle.exporting.penalties import has_penalties, penalty_lines
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import INDENT, indented

__all__ = ["ObjectiveCode"]


class ObjectiveCode:
    """The lines that compute the loss of a step, on what the batch transforms leave to it."""

    def __init__(self, spec: TrainingSpec, passes: PassCode, transforms: BatchTransformCode) -> None:
        self.spec, self.passes, self.smoothing = spec, passes, transforms.smoothing
        self.target_weights = "y @ class_weights" if transforms.units else "class_weights[y]"

    def function(self) -> list[str]:
        """Return the loss as a function within ``train``, where it is needed at two points."""
        if not self.passes.twice:
            return []
        forward = "forward: Callable[[Tensor], Tensor], " * self.spec.has_state
        lines = self.loss("forward" if self.spec.has_state else "model")
        ending = ["", "return loss"]
        if not has_penalties(self.spec):
            ending = [lines.pop().replace("loss =", "return", 1)]
        return [
            f"def objective({forward}x: Tensor, y: Tensor) -> Tensor:",
            f'{INDENT}"""The loss on a batch."""',
            *indented([*lines, *ending]),
            "",
        ]

    def first(self) -> list[str]:
        """Return the lines that compute ``loss``, of which the step takes the gradient."""
        if not self.passes.twice:
            return self.loss("model")
        return self.passes.with_seed(f"loss = objective({'model, ' * self.spec.has_state}x, y)")

    def second_gradient_lines(self) -> list[str]:
        """Return the lines that take the gradient once more, at another point."""
        forward = f"partial({self.passes.frozen_statistics()}, model), " if self.spec.has_state else ""
        return self.passes.with_seed(f"objective({forward}x, y).backward()")

    def loss(self, forward: str) -> list[str]:
        """Return the lines that compute the loss by way of a function ``forward``."""
        smoothing, smoothed = "", []
        if self.smoothing:
            smoothing = f"label_smoothing={self.smoothing.numbers()['strength']!r}"
            smoothed = remark(self.smoothing)
        outer = self.passes.seeded and not self.passes.twice  # else the whole objective is under the seed
        if not has_penalties(self.spec) and not outer:
            return [*smoothed, f"loss = {self.data_loss(f'{forward}(x)', smoothing)}"]
        line = f"z = {forward}(x)"
        passed = self.passes.with_seed(line) if outer else [line]
        penalties = penalty_lines(self.spec, self.passes)
        passed += [""] * bool(smoothed)
        return [*passed, *smoothed, f"loss = {self.data_loss('z', smoothing)}", *penalties]

    def data_loss(self, z: str, smoothing: str) -> str:
        """Return the code of the loss on the batch for outputs z, each row weighed by its class where classes are."""
        if self.spec.protocol.class_weight is None:
            return self.passes.data_loss(z, "y", smoothing)
        losses = self.passes.data_loss(z, "y", 'reduction="none"')
        return f"({self.target_weights} * {losses}).mean()"
