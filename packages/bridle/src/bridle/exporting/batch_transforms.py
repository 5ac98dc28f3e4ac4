"""The transforms of a batch, a block of lines for each."""

from __future__ import annotations

from bridle.exporting.calls import call, formula, noise, remark
from bridle.exporting.knob_code import is_moving, keywords
from bridle.exporting.passes import PassCode
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import indented
from bridle.places import Batch
from bridle.regularizers import LabelSmoothing

__all__ = ["BatchTransformCode"]


class BatchTransformCode:
    """The lines that transform a batch; ``smoothing`` is the label smoothing that torch's loss does instead.

    Where classes are weighed, a row counts by its smoothed probabilities, so that they are needed themselves.
    """

    def __init__(self, spec: TrainingSpec, passes: PassCode) -> None:
        self.spec, self.passes = spec, passes
        self.units = [each for each in spec.recipe if isinstance(each, Batch)]
        self.smoothing = smoothing_of_loss(self.units) if spec.protocol.class_weight is None else None
        if self.smoothing:
            self.units = self.units[:-1]

    def blocks(self) -> list[list[str]]:
        """Return the lines, a block for each transform."""
        if not self.units:
            return []
        blocks = [["y = F.one_hot(y, outputs).to(x)  # probabilities"]] * (self.spec.task == "classification")
        blocks += [["x = x.flatten(1)"]] * self.spec.network.images
        blocks += map(self.block, self.units)
        return [*blocks, *[["x = x.view(-1, channels, height, width)"]] * self.spec.network.images]

    def block(self, unit: Batch) -> list[str]:
        """Return the lines of one transform."""
        script = self.spec.script
        draws = [noise(draw, "x", 2) for draw in unit.noise]
        knobs = [keywords(script, unit), "layout=layout" if "layout" in unit.step_inputs else ""]
        made = call(formula(script, unit), "x", "y", *draws, *unit.extra_inputs, *knobs)
        inputs = {"slope": self.slope, "prediction": self.prediction}
        return [*remark(unit), *(line for each in unit.extra_inputs for line in inputs[each]()), f"x, y = {made}"]

    def slope(self) -> list[str]:
        """Return the lines that take the gradient of each row's loss with respect to the row."""
        summed = self.passes.data_loss("z", "y", 'reduction="sum"')
        return [
            "probe = x.clone().requires_grad_()",
            *self.passes.second("z", self.passes.image("probe")),
            f"(slope,) = torch.autograd.grad({summed}, probe)",
        ]

    def prediction(self) -> list[str]:
        """Return the lines that take the network's prediction."""
        passed = self.passes.second("prediction", self.passes.image("x"))
        lines = ["with torch.no_grad():", *indented(passed)]
        return [*lines, *["prediction = prediction.softmax(1)"] * (self.spec.task == "classification")]


def smoothing_of_loss(units: list[Batch]) -> LabelSmoothing | None:
    """Return the label smoothing that torch's loss can do: a number, behind all other transforms of the batch."""
    last = units[-1] if units else None
    return last if isinstance(last, LabelSmoothing) and not is_moving(last) else None
