"""The objective of a step as code: the transformed batch, the loss, and the penalties."""

from __future__ import annotations

from bridle.exporting.calls import as_matrix, call, formula, method, noise, packed_state, remark
from bridle.exporting.formulas import copy_function
from bridle.exporting.knob_code import is_moving, keywords
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import INDENT, indented
from bridle.places import (
    ActivityLoss,
    Ascent,
    Batch,
    Layer,
    Loss,
    OutputLoss,
    PassLoss,
    WeightLayer,
)
from bridle.places.declare import Start
from bridle.regularizers import LabelSmoothing

LOSSES = {"classification": "F.cross_entropy", "regression": "F.mse_loss"}
SEED = "seed = int(torch.randint(2**31, ()))  # all passes of the step share it"


class ObjectiveCode:
    """The lines of a step that come before the gradient."""

    def __init__(self, spec: TrainingSpec) -> None:
        self.spec, self.script, self.lists = spec, spec.script, spec.lists
        inside = [each for each in spec.recipe if isinstance(each, Layer | WeightLayer)]
        self.batches = [each for each in spec.recipe if isinstance(each, Batch)]
        self.passes = [each for each in spec.recipe if isinstance(each, PassLoss)]
        self.twice = any(isinstance(each, Ascent) for each in spec.recipe)  # whether there is a second gradient
        noisy = any(each.noise for each in inside)
        same = any(each.extra_inputs for each in self.batches) or any(not each.fresh_noise for each in self.passes)
        again = self.twice and any(each.noise or each.fresh_noise for each in self.passes)
        self.seeded = (noisy and (same or self.twice)) or again
        self.smoothing = self.torchs_smoothing()

    def torchs_smoothing(self) -> LabelSmoothing | None:
        """Label smoothing that torch's loss can do: a number, behind all other changes of the batch."""
        last = self.batches[-1] if self.batches else None
        if not isinstance(last, LabelSmoothing) or is_moving(last):
            return None
        self.batches = self.batches[:-1]
        return last

    def batch_lines(self) -> list[list[str]]:
        """Return the lines that transform the batch, a block for each change."""
        if not self.batches:
            return []
        blocks = [["y = F.one_hot(y, outputs).to(x)  # probabilities"]] * (self.spec.task == "classification")
        blocks += [["x = x.flatten(1)"]] * self.spec.network.images
        inputs = {"slope": self.slope, "prediction": self.prediction}
        for unit in self.batches:
            draws = [noise(draw, "x", 2) for draw in unit.noise]
            knobs = [keywords(self.script, unit), "layout=layout" if "layout" in unit.step_inputs else ""]
            made = call(formula(self.script, unit), "x", "y", *draws, *unit.extra_inputs, *knobs)
            extra = [line for each in unit.extra_inputs for line in inputs[each]()]
            blocks.append([*remark(unit), *extra, f"x, y = {made}"])
        return [*blocks, *[["x = x.view(-1, channels, height, width)"]] * self.spec.network.images]

    def slope(self) -> list[str]:
        """The gradient of each row's loss with respect to the row."""
        summed = self.data_loss("z", "y", 'reduction="sum"')
        return [
            "probe = x.clone().requires_grad_()",
            *self.second_pass("z", self.image("probe")),
            f"(slope,) = torch.autograd.grad({summed}, probe)",
        ]

    def prediction(self) -> list[str]:
        """Return the code of the network's prediction."""
        made = "prediction.softmax(1)" if self.spec.task == "classification" else "prediction"
        lines = ["with torch.no_grad():", *indented(self.second_pass("prediction", self.image("x")))]
        return lines if made == "prediction" else [*lines, f"prediction = {made}"]

    def image(self, rows: str) -> str:
        """Rows of features in the shape that the network takes."""
        return f"{rows}.view(-1, channels, height, width)" if self.spec.network.images else rows

    def data_loss(self, *inputs: str) -> str:
        """The loss of outputs."""
        return call(LOSSES[self.spec.task], *inputs)

    def second_pass(self, name: str, x: str, *, fresh: bool = False) -> list[str]:
        """One more pass through the network, whose running statistics rest; under the same noise unless ``fresh``."""
        line = f"{name} = {self.frozen_statistics()}({'model, ' * self.spec.has_state}{x})"
        if fresh or not self.seeded:
            return [line]
        return [f"with {self.seeding()}(seed):", INDENT + line]

    def frozen_statistics(self) -> str:
        """Return the code that passes rows through the network without moving its running statistics."""
        if not self.spec.has_state:
            return "model"
        return self.script.define(
            "pass_again",
            [
                "def pass_again(model: nn.Module, x: Tensor) -> Tensor:",
                '    """The outputs of one more pass in the same step: running statistics rest."""',
                "    buffers = {name: each.clone() for name, each in model.named_buffers()}",
                "    return functional_call(model, buffers, (x,))",
            ],
        )

    def seeding(self) -> str:
        """Return the code that makes the noise of several passes the same."""
        return self.script.define(
            "seeded",
            [
                "@contextmanager",
                "def seeded(seed: int) -> Iterator[None]:",
                '    """Within, random numbers are those of the seed; then they go on as if nothing had been."""',
                "    with torch.random.fork_rng():",
                "        torch.manual_seed(seed)",
                "        yield",
            ],
        )

    def function(self) -> list[str]:
        """The loss as a function within ``train``, where it is needed at two points."""
        if not self.twice:
            return []
        forward = "forward: Callable[[Tensor], Tensor], " * self.spec.has_state
        lines = self.loss("forward" if self.spec.has_state else "model")
        ending = [lines.pop().replace("loss =", "return", 1)] if not self.has_penalties else ["", "return loss"]
        return [
            f"def objective({forward}x: Tensor, y: Tensor) -> Tensor:",
            f'{INDENT}"""The loss on a batch."""',
            *indented([*lines, *ending]),
            "",
        ]

    @property
    def has_penalties(self) -> bool:
        """True where the loss has more than one part."""
        return any(isinstance(each, Loss | ActivityLoss | OutputLoss | PassLoss) for each in self.spec.recipe)

    def first(self) -> list[str]:
        """The lines that leave a step's loss under its name."""
        if not self.twice:
            return self.loss("model")
        return self.with_seed(f"loss = objective({'model, ' * self.spec.has_state}x, y)")

    def second_gradient_lines(self) -> list[str]:
        """The lines that take the gradient once more, at another point."""
        forward = f"partial({self.frozen_statistics()}, model), " if self.spec.has_state else ""
        return self.with_seed(f"objective({forward}x, y).backward()")

    def with_seed(self, line: str) -> list[str]:
        """A line under the noise of the step."""
        return [f"with {self.seeding()}(seed):", INDENT + line] if self.seeded else [line]

    def loss(self, forward: str) -> list[str]:
        """The lines that make the loss."""
        smoothing, smoothed = "", []
        if self.smoothing:
            smoothing = f"label_smoothing={self.smoothing.numbers()['strength']!r}"
            smoothed = remark(self.smoothing)
        outer = self.seeded and not self.twice  # else the whole objective is under the seed
        if not self.has_penalties and not outer:
            return [*smoothed, f"loss = {self.data_loss(f'{forward}(x)', 'y', smoothing)}"]
        passed = self.with_seed(f"z = {forward}(x)") if outer else [f"z = {forward}(x)"]
        penalties = [*self.activities(), *self.outputs(), *self.second_passes(), *self.penalties()]
        passed += [""] * bool(smoothed)
        return [*passed, *smoothed, f"loss = {self.data_loss('z', 'y', smoothing)}", *penalties]

    def activities(self) -> list[str]:
        """The penalties that the pass has left in the network."""
        units = {type(each).__name__: each for each in self.spec.recipe if isinstance(each, ActivityLoss)}
        lines = []
        for name, unit in units.items():
            found = f"sum(each.penalty for each in model.modules() if isinstance(each, {name}))"
            lines += ["", *remark(unit), f"loss = loss + {found}"]
        return lines

    def outputs(self) -> list[str]:
        """The penalties on the outputs."""
        lines = []
        for unit in self.spec.recipe:
            if isinstance(unit, OutputLoss):
                penalty = call(formula(self.script, unit), "z", keywords(self.script, unit))
                lines += ["", *remark(unit), f"loss = loss + {penalty}"]
        return lines

    def second_passes(self) -> list[str]:
        """The penalties on how a second pass differs."""
        lines = []
        for unit in self.passes:
            penalty = call(formula(self.script, unit), "z", "other", keywords(self.script, unit))
            lines += ["", *remark(unit), *self.second_pass_outputs(unit), f"loss = loss + {penalty}"]
        return lines

    def second_pass_outputs(self, unit: PassLoss) -> list[str]:
        """The outputs of the second pass."""
        if unit.fresh_noise:
            return self.second_pass("other", "x", fresh=True)
        rows, shape = ("x.flatten(1)", ".view_as(x)") if self.spec.network.images else ("x", "")
        knobs = keywords(self.script, unit)
        arrays = [noise(draw, rows, 2) for draw in unit.noise]
        lines = []
        if "slope" in unit.extra_inputs:
            lines += [
                f"probe = {call(method(self.script, unit, type(unit).probe), rows, *arrays, knobs)}.requires_grad_()",
                *self.second_pass("there", f"probe{shape}"),
                f"apart = {call(formula(self.script, unit), 'z.detach()', 'there', knobs)}",
                "(slope,) = torch.autograd.grad(apart, probe)",
            ]
            arrays = ["slope"]
        move = method(self.script, unit, type(unit).move)
        if not move:
            return [*lines, *self.second_pass("other", "x")]
        return [*lines, f"moved = {call(move, rows, *arrays, knobs)}{shape}", *self.second_pass("other", "moved")]

    def penalties(self) -> list[str]:
        """The penalties on parameters."""
        return [line for unit in self.spec.recipe if isinstance(unit, Loss) for line in self.penalty(unit)]

    def penalty(self, unit: Loss) -> list[str]:
        """One penalty on parameters."""
        w = f"{as_matrix(self.script)}(w)" if unit.matrix else "w"
        extra = [f"{each}[w]" for each in unit.extra_inputs]
        if unit.matrix:
            extra = [f"{as_matrix(self.script)}({each})" for each in extra]
        lines = ["", *remark(unit)]
        for parameters, knobs in self.lists.groups(unit):
            if not unit.state:
                penalty = call(formula(self.script, unit), w, *extra, knobs)
                lines.append(f"loss = loss + sum({penalty} for w in {parameters})")
                continue
            state = f"{state_variable(unit)}[w]"
            detached = [f"{state}.{field}.detach()" for field in unit.state._fields]
            lines += [
                f"for w in {parameters}:",
                f"{INDENT}penalty, {state} = {call(formula(self.script, unit), w, *extra, state, knobs)}",
                f"{INDENT}{state} = {packed_state(unit, detached)[0]}",
                f"{INDENT}loss = loss + penalty",
            ]
        return lines

    def initial_penalty_state(self) -> list[str]:
        """Return the lines that initialize what penalties remember of parameters."""
        lines = []
        for unit in self.spec.recipe:
            if isinstance(unit, Loss) and (unit.extra_inputs or unit.state):
                parameters = self.lists.all_of(unit)
                for each in unit.extra_inputs:
                    lines.append(f"{each} = {{w: w.detach().clone() for w in {parameters}}}")
                if unit.state:
                    begun = packed_state(unit, (self.start(each) for each in unit.state))[0]
                    lines.append(f"{state_variable(unit)} = {{w: {begun} for w in {parameters}}}")
        return lines

    def start(self, start: Start) -> str:
        """Return the code of one field of a penalty's state for the weight ``w``, before the first step."""
        if callable(start):
            return call(copy_function(self.script, start), f"{as_matrix(self.script)}(w.detach())")
        return f"w.new_full((len(w), 1, 1), {start})"


def state_variable(unit: Loss) -> str:
    """Return the name of the variable with the states of a penalty, by weight: `direction` for a Direction."""
    return type(unit.state).__name__.lower()
