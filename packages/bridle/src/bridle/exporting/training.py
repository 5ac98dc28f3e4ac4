"""The function ``train`` of a script: set-up, and the loop with a block for each place."""

from __future__ import annotations

from collections.abc import Iterable

from bridle.exporting.averages import average_lines, define_ensemble, member_lines
from bridle.exporting.batch_transforms import BatchTransformCode
from bridle.exporting.calls import call
from bridle.exporting.data_section import data_lines
from bridle.exporting.evaluation import EvaluationCode
from bridle.exporting.knob_code import arguments, is_moving
from bridle.exporting.objective import ObjectiveCode
from bridle.exporting.optimizer import OptimizerCode
from bridle.exporting.passes import SEED, PassCode
from bridle.exporting.penalties import initial_state_lines
from bridle.exporting.script import names_in
from bridle.exporting.spec import TrainingSpec, only
from bridle.exporting.updates import ascent_lines, gradient_lines, weight_lines
from bridle.exporting.wrapping import INDENT, docstring, indented
from bridle.places import Ascent, Average, Ensemble, Gradient, Weight
from bridle.protocol import EVALUATIONS, FIRST_EPOCHS, FIRST_STEPS, LAST_EPOCHS, LAST_STEPS
from bridle.training_length import WORTH

__all__ = ["TrainFunctionCode"]

DATA = "x_train: Tensor, y_train: Tensor, x_valid: Tensor, y_valid: Tensor"
EVERY = f"every = max(1, epochs // {EVALUATIONS})  # epochs between one look at the scores and the next"


class TrainFunctionCode:
    """The lines of ``train`` for one recipe, network and protocol."""

    def __init__(self, spec: TrainingSpec) -> None:
        self.spec = spec
        self.passes = PassCode(spec)
        self.transforms = BatchTransformCode(spec, self.passes)
        self.objective = ObjectiveCode(spec, self.passes, self.transforms)
        self.average = only([each for each in spec.recipe if isinstance(each, Average)])
        self.ensemble = only([each for each in spec.recipe if isinstance(each, Ensemble)])
        self.evaluation = EvaluationCode(spec, self.average, self.ensemble)
        self.optimizer = OptimizerCode(spec)

    def define(self) -> None:
        """Add the function ``train`` to the script, and where the length is open ``train_for``, which it calls."""
        rows = "images, (rows, channels, height, width)" if self.spec.network.images else "(rows, features)"
        target = "class ids" if self.spec.task == "classification" else "numbers"
        docs = f"Train on x, {rows}, and y, {target}; returns the network in evaluation mode."
        loop = self.loop()
        head = f"def train({DATA}, seed: int = 0) -> nn.Module:"
        if self.spec.is_open:
            self.define_train_for(loop)
            loop = self.lengths()
        self.spec.script.define("train", [head, *docstring(docs, INDENT), *indented(loop)])

    def define_train_for(self, loop: list[str]) -> None:
        """Add the function that trains for a number of epochs, to be tried."""
        words = self.evaluation.score.words
        docs = f"Train for so many epochs; returns the network, its validation {words} and its epoch."
        head = f"def train_for(epochs: int, {DATA}, seed: int) -> tuple[nn.Module, Tensor, int]:"
        self.spec.script.define("train_for", [head, *docstring(docs, INDENT), *indented(loop)])

    def lengths(self) -> list[str]:
        """Return the lines of ``train`` where the length is open: twice as long, as long as that helps."""
        score = self.evaluation.score
        best, words = score.best, f"validation {score.words}"
        left = ("1 - score", f"(1 - {best})") if score.metric.higher_is_better else ("score", best)
        return [
            f"batches = max(1, len(x_train) // {self.spec.protocol.batch_size})",
            f"lengths = [max({FIRST_EPOCHS}, math.ceil({FIRST_STEPS} / batches))]  # in epochs",
            f"while lengths[-1] < {LAST_EPOCHS} or lengths[-1] * batches < {LAST_STEPS}:",
            f"{INDENT}lengths.append(2 * lengths[-1])",
            "",
            f"{best} = {score.worst}",
            "for epochs in lengths:",
            *indented(
                [
                    "longer, score, best_epoch = train_for(epochs, x_train, y_train, x_valid, y_valid, seed)",
                    f'print(f"{{epochs}} epochs: {words} {{score:.4f}} after {{best_epoch}}")',
                    f"# Twice as long is tried where the best epoch is a late one, and {100 * WORTH:g} % better.",
                    f"goes_on = best_epoch > epochs / 2 and {left[0]} < {1 - WORTH!r} * {left[1]}",
                    f"if epochs == lengths[0] or {score.is_better('score')}:",
                    f"{INDENT}model, {best} = longer, score",
                    "if not goes_on:",
                    f"{INDENT}break",
                ]
            ),
            "return model",
        ]

    def loop(self) -> list[str]:
        """Return the lines of the training, with its set-up and what it returns."""
        step, epoch = self.step(), self.evaluation.epoch_end()
        number = "epoch" if self.spec.skips_scores or "epoch" in names_in(epoch) else "_"
        skip = ["if (epoch + 1) % every and epoch + 1 < epochs:", f"{INDENT}continue", ""]
        loop = [
            f"for {number} in range(epochs):",
            *indented(self.epoch_begin()),
            *indented(step, 2),
            "",
            *indented(skip if self.spec.skips_scores else []),
            *indented(epoch),
        ]
        body = [*self.objective.function(), *loop]
        return [*self.set_up(names_in(body)), "", *body, "", *self.evaluation.return_lines()]

    def set_up(self, named: set[str]) -> list[str]:
        """Return all lines before the first epoch, as far as the lines behind them use these names."""
        spec = self.spec
        build = call(spec.network.define(), *spec.network.sizes)
        penalty_state, optimizer = initial_state_lines(spec), self.optimizer.lines()
        schedule = self.optimizer.schedule(self.ensemble)
        named = named | names_in([*schedule, *optimizer])
        begin = ["torch.manual_seed(seed)", *data_lines(spec, with_layout="layout" in named)]
        return [
            *begin,
            f"model = {build}.to(x_train)",
            *spec.lists.lines(),
            *penalty_state,
            *self.copies(),
            *self.evaluation.initial_stop_state(),
            "",
            *optimizer,
            *self.length(named),
            *schedule,
        ]

    def length(self, named: set[str]) -> list[str]:
        """Return the lines that set the length of the training."""
        return [
            f"batch_size = min({self.spec.protocol.batch_size}, len(x_train))",
            "batches = len(x_train) // batch_size  # rows that do not fill one wait for the next epoch",
            *([] if self.spec.is_open else [f"epochs = {self.spec.protocol.epochs}"]),
            *[EVERY] * self.spec.skips_scores,
            *["steps = epochs * batches"] * ("steps" in named),
            *["step = 0"] * ("step" in named),
        ]

    def copies(self) -> list[str]:
        """Return the lines that make the networks beside the one that trains."""
        lines = ["average = copy.deepcopy(model).eval()  # what is measured and returned"] * bool(self.average)
        if self.ensemble:
            lines.append(f"ensemble = {define_ensemble(self.spec, self.ensemble)}.eval()")
        return lines

    def epoch_begin(self) -> list[str]:
        """Return the lines of an epoch before its steps."""
        batches = "torch.randperm(len(x_train))[: batches * batch_size].split(batch_size)"
        return ["model.train()", f"for rows in {batches}:"]

    def step(self) -> list[str]:
        """Return the lines of one training step, a block for each place."""
        spec = self.spec
        ascent = only([each for each in spec.recipe if isinstance(each, Ascent)])
        gradients = [each for each in spec.recipe if isinstance(each, Gradient)]
        blocks = [
            *self.transforms.blocks(),
            self.objective.first(),
            ["optimizer.zero_grad()", "loss.backward()"],
            ascent_lines(spec, ascent, self.objective) if ascent else [],
            *(gradient_lines(spec, unit) for unit in gradients),
            *(weight_lines(spec, unit) for unit in self.weights(after_update=False)),
            ["optimizer.step()"],
            *(weight_lines(spec, unit) for unit in self.weights(after_update=True)),
            ["scheduler.step()"] * (spec.protocol.schedule != "constant"),
            average_lines(spec, self.average) if self.average else [],
            member_lines(spec, self.ensemble) if self.ensemble else [],
        ]
        moving = self.moving()
        named = names_in([*moving, *(line for block in blocks for line in block)]) | names_in(self.objective.function())
        begin = [
            "x, y = x_train[rows], y_train[rows]",
            *["passed = step / steps  # the share of the training that is over"] * ("passed" in named),
            *["lr = scheduler.get_last_lr()[0]"] * ("lr" in named),
            *[SEED] * self.passes.seeded,
        ]
        ending = ["step += 1"] * bool(named & {"step", "passed"} or self.evaluation.stops_move)
        return join_blocks([begin, moving, *blocks, ending])

    def weights(self, *, after_update: bool) -> list[Weight]:
        """Return the regularizers that change weights before the update or behind it, without the optimizer's own."""
        weights = [each for each in self.spec.recipe if isinstance(each, Weight)]
        return [each for each in weights if each.after_update == after_update and each is not self.optimizer.decay]

    def moving(self) -> list[str]:
        """Return the lines that set the knobs in the network which change as the training passes."""
        lines = []
        for unit, names, code in self.spec.network.placed_units:
            if is_moving(unit, names):
                for name, text in arguments(self.spec.script, unit, names).items():
                    lines += [f"{code}.{name} = {text}"] * ("passed" in text)
        return ["# Strengths that change as the training passes.", *lines] if lines else []


def join_blocks(blocks: Iterable[list[str]]) -> list[str]:
    """Join blocks of lines, with an empty line around those that have a remark."""
    lines: list[str] = []
    remarked = False
    for block in filter(None, blocks):
        lines += [*[""] * bool(lines and (remarked or block[0].startswith("#"))), *block]
        remarked = any(line.startswith("#") for line in block)
    return lines
