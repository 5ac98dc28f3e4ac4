"""The function ``train`` of a script: set-up, the loop with a block for each place, and what is measured."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from bridle import layout
from bridle.acting import MEASURED_BATCH, MEASURED_ROWS, under
from bridle.errors import InputError
from bridle.exporting.calls import as_matrix, call, formula, method, noise, remark, summary_of
from bridle.exporting.formulas import copy_definition, method_text
from bridle.exporting.knob_code import arguments, is_moving, keywords, number
from bridle.exporting.network import NetworkCode, ParameterRef
from bridle.exporting.objective import LOSSES, SEED, ObjectiveCode
from bridle.exporting.parameters import ParameterLists
from bridle.exporting.script import Script
from bridle.exporting.source import module_source
from bridle.exporting.wrapping import INDENT, docstring, indented
from bridle.places import Ascent, Average, Ensemble, Gradient, Layer, Stop, Weight, WeightLayer
from bridle.places.declare import Placed
from bridle.protocol import FEWEST_EPOCHS, MOMENTUM, MOST_EPOCHS, STEPS, Protocol
from bridle.recipe import Recipe
from bridle.regularizers import WeightDecay

SCORES = {"classification": "accuracy", "regression": "r2"}
MEASURES = {
    "classification": "accuracy = (z.argmax(1) == y_valid).double().mean()",
    "regression": "r2 = 1 - valid_loss / y_valid.var(correction=0)",
}


class TrainFunctionCode:
    """The lines of ``train`` for one recipe, network and protocol."""

    def __init__(self, recipe: Recipe, network: NetworkCode, protocol: Protocol, script: Script, task: str) -> None:
        self.recipe, self.network, self.script, self.task = under(protocol.optimizer, recipe), network, script, task
        self.protocol = protocol
        self.lists = ParameterLists(network, script)
        self.objective = ObjectiveCode(self.recipe, network, self.lists, script, task)
        self.average: Average | None = self.only(Average)
        self.ensemble: Ensemble | None = self.only(Ensemble)
        self.stops: list[Any] = self.units(Stop)
        self.decay = self.torchs_decay()
        self.statistics = any(each.state for each in self.units(Layer))

    def units(self, kind: type[Any]) -> list[Any]:
        """The recipe's regularizers of one kind, in order."""
        return [each for each in self.recipe if isinstance(each, kind)]

    def only(self, kind: type[Any]) -> Any:
        """The recipe's only regularizer of a kind; ``ValueError`` if there are several."""
        found = self.units(kind)
        if len(found) > 1:
            raise InputError(f"{found[0]!r} and {found[1]!r}: the code has room for one of them; keep one")
        return found[0] if found else None

    def torchs_decay(self) -> WeightDecay | None:
        """Weight decay that AdamW does itself: by the learning rate, steady, right before the update."""
        before = [each for each in self.units(Weight) if not each.after_update]
        others = [each for each in before if isinstance(each, WeightDecay)]
        if self.protocol.optimizer not in ("adam", "adamw") or len(others) != 1 or before[-1] is not others[0]:
            return None
        (unit,) = others
        moves = any(is_moving(unit, spot.described.names) for spot in self.lists.chosen(unit))
        return None if moves or unit.per != "lr" else unit

    @property
    def result(self) -> str:
        """Return the lines that measure and return the result."""
        return "average" if self.average else "result" if self.ensemble else "model"

    def define(self) -> None:
        """Put in the function ``train``."""
        step, epoch = self.step(), self.epoch_end()
        loop = ["for epoch in range(epochs):", *indented(self.epoch_begin()), *indented(step, 2), "", *indented(epoch)]
        body = [*self.objective.function(), *loop]
        rows = "images, (rows, channels, height, width)" if self.network.images else "(rows, features)"
        target = "class ids" if self.task == "classification" else "numbers"
        arguments = "x_train: Tensor, y_train: Tensor, x_valid: Tensor, y_valid: Tensor, seed: int = 0"
        self.script.define(
            "train",
            [
                f"def train({arguments}) -> nn.Module:",
                *docstring(f"Train on x, {rows}, and y, {target}; returns the network in evaluation mode.", INDENT),
                *indented([*self.set_up(names_in(body)), "", *body, "", *self.return_lines()]),
            ],
        )

    def set_up(self, named: set[str]) -> list[str]:
        """Everything before the first epoch, as far as what comes later asks for it."""
        build = call(self.network.define(), *self.network.sizes)
        remembered, optimizer, schedule = self.objective.initial_penalty_state(), self.optimizer(), self.schedule()
        named = named | names_in([*schedule, *optimizer])
        begin = ["torch.manual_seed(seed)", *self.data("layout" in named), f"model = {build}.to(x_train)"]
        return [
            *begin,
            *self.lists.lines(),
            *remembered,
            *self.averages_and_copies(),
            "",
            *optimizer,
            *self.length(named),
            *schedule,
        ]

    def data(self, with_layout: bool) -> list[str]:
        """The sizes of the data, and their layout where a formula is told it."""
        outputs = "int(y_train.max()) + 1" if self.task == "classification" else "1"
        if with_layout:
            copy_definition(self.script, module_source(layout), "Layout")
        if self.network.images:
            own = ["layout = Layout(image=(channels, height, width))"] * with_layout
            lines = ["channels, height, width = x_train.shape[1:]", f"outputs = {outputs}", *own]
        else:
            lines = [f"inputs, outputs = x_train[0].numel(), {outputs}"]
            if with_layout:
                lines += [
                    "image = (1, *x_train.shape[1:])[-3:] if x_train.ndim > 2 else None",
                    "layout = Layout(image, groups=tuple(range(inputs)))  # each column of a table for itself",
                    "x_train, x_valid = x_train.flatten(1), x_valid.flatten(1)",
                ]
        if self.task == "regression":
            lines += [
                "mean, deviation = y_train.mean(), y_train.std(correction=0)",
                "y_train, y_valid = ((y[:, None] - mean) / deviation for y in (y_train, y_valid))",
            ]
        return lines

    def optimizer(self) -> list[str]:
        """torch's optimizer, with the decay that it does itself."""
        lr, name = f"lr={self.protocol.lr!r}", self.protocol.optimizer
        if name in ("sgd", "momentum"):
            momentum = f"momentum={MOMENTUM}" if name == "momentum" else ""
            return [f"optimizer = {call('torch.optim.SGD', 'model.parameters()', lr, momentum)}"]
        if self.decay is None:
            return [f"optimizer = torch.optim.Adam(model.parameters(), {lr})"]
        groups: dict[float, list[ParameterRef]] = {}
        chosen = self.lists.chosen(self.decay)
        for spot in self.lists.refs:
            value = self.decay.numbers(*spot.described.names)["strength"] if spot in chosen else 0.0
            groups.setdefault(value, []).append(spot)
        if len(groups) == 1:
            own = f"model.parameters(), {lr}, weight_decay={next(iter(groups))!r}"
            return [*remark(self.decay), f"optimizer = torch.optim.AdamW({own})"]
        each = [f'{{"params": {self.lists.name(refs)}, "weight_decay": {value!r}}}' for value, refs in groups.items()]
        return [*remark(self.decay), f"groups = [{', '.join(each)}]", f"optimizer = torch.optim.AdamW(groups, {lr})"]

    def length(self, named: set[str]) -> list[str]:
        """Return the lines that set the length of the training."""
        epochs = f"min({MOST_EPOCHS}, max({FEWEST_EPOCHS}, {STEPS} // batches))  # about {STEPS} steps"
        return [
            f"batch_size = min({self.protocol.batch_size}, len(x_train))",
            "batches = len(x_train) // batch_size  # rows that do not fill one wait for the next epoch",
            f"epochs = {self.protocol.epochs or epochs}",
            *["steps = epochs * batches"] * ("steps" in named),
            *["step = 0"] * ("step" in named),
        ]

    def schedule(self) -> list[str]:
        """The schedule of the learning rate."""
        if self.protocol.schedule == "constant":
            return []
        if self.ensemble is None:
            return ["scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)"]
        falling = self.script.define(
            "falling",
            [
                "def falling(step: int, steps: int) -> float:",
                f'{INDENT}"""The share of the learning rate at a step: from 1 to 0 along half a cosine."""',
                f"{INDENT}return 0.5 * (1 + math.cos(math.pi * step / steps))",
            ],
        )
        share = f"lambda step: {falling}(*ensemble.warped(step, steps))"
        return [f"scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, {share})"]

    def averages_and_copies(self) -> list[str]:
        """Return the lines that make what is kept beside the network: averages, copies, the state of early stopping."""
        lines = ["average = copy.deepcopy(model).eval()  # what is measured and returned"] * bool(self.average)
        if self.ensemble:
            lines.append(f"ensemble = {self.ensemble_class()}.eval()")
        for number_, unit in enumerate(self.stops):
            starts = (f"x_train.new_tensor({number(self.script, start)})" for start in unit.state.values())
            lines.append(f"{state_name(number_)} = [{', '.join(starts)}]  # {', '.join(unit.state)}")
        return lines

    def ensemble_class(self) -> str:
        """Put in the class of an ensemble; returns what makes it."""
        assert self.ensemble is not None
        name, knobs = type(self.ensemble).__name__, self.ensemble.numbers()
        together = call(formula(self.script, self.ensemble), "torch.stack([each(x) for each in self.members])")
        methods = [method_text(self.script, each) for each in (type(self.ensemble).takes, type(self.ensemble).warped)]
        self.script.define(
            name,
            [
                f"class {name}(nn.Module):",
                *docstring(summary_of(self.ensemble), INDENT),
                "",
                f"{INDENT}def __init__({', '.join(['self', *(f'{each}: float' for each in knobs)])}) -> None:",
                *indented(["super().__init__()", *(f"self.{each} = {each}" for each in knobs)], 2),
                f"{INDENT * 2}self.members = nn.ModuleList()",
                "",
                f"{INDENT}def forward(self, x: Tensor) -> Tensor:",
                f"{INDENT * 2}return {together}",
                *(line for each in methods for line in ["", *indented(each.splitlines())]),
            ],
        )
        return call(name, *(f"{each}={number(self.script, value)}" for each, value in knobs.items()))

    def epoch_begin(self) -> list[str]:
        """The lines of an epoch before its steps."""
        batches = "torch.randperm(len(x_train))[: batches * batch_size].split(batch_size)"
        return ["model.train()", f"for rows in {batches}:"]

    def step(self) -> list[str]:
        """One training step, a block for each place."""
        blocks = [
            *self.objective.batch_lines(),
            self.objective.first(),
            ["optimizer.zero_grad()", "loss.backward()"],
            self.ascent(),
            *map(self.gradient, self.units(Gradient)),
            *map(self.weight, self.weights(after_update=False)),
            ["optimizer.step()"],
            *map(self.weight, self.weights(after_update=True)),
            ["scheduler.step()"] * (self.protocol.schedule != "constant"),
            self.averaging(),
            self.copying(),
        ]
        moving = self.moving()
        named = names_in([*moving, *(line for block in blocks for line in block)]) | names_in(self.objective.function())
        begin = [
            "x, y = x_train[rows], y_train[rows]",
            *["passed = step / steps  # the share of the training that is over"] * ("passed" in named),
            *["lr = scheduler.get_last_lr()[0]"] * ("lr" in named),
            *[SEED] * self.objective.seeded,
        ]
        ending = ["step += 1"] * bool(named & {"step", "passed"} or any(map(is_moving, self.stops)))
        return joined([begin, moving, *blocks, ending])

    def moving(self) -> list[str]:
        """The lines that set what changes in the network as the training passes."""
        lines = []
        for unit, names, code in self.network.placed_units:
            if is_moving(unit, names):
                for name, text in arguments(self.script, unit, names).items():
                    lines += [f"{code}.{name} = {text}"] * ("passed" in text)
        return ["# Strengths that change as the training passes.", *lines] if lines else []

    def ascent(self) -> list[str]:
        """The gradient at another point instead of that at the weights."""
        unit = self.only(Ascent)
        if unit is None:
            return []
        every, groups = self.lists.everything(), self.lists.groups(unit)
        measure = method(self.script, unit, type(unit).measure, 1)
        lengths = [f"{call(measure, 'w', 'w.grad', knobs)} for w in {each}" for each, knobs in groups]
        lengths = lengths if measure else [f"w.grad for w in {self.lists.all_of(unit)}"]
        measured = lengths[0] if len(lengths) == 1 else ", ".join(f"*({each})" for each in lengths)
        there = []
        for parameters, knobs in groups:
            made = call(formula(self.script, unit), "w", "w.grad", "norm", knobs)
            there += [f"for w in {parameters}:", f"{INDENT}w.copy_({made})"]
        return [
            *remark(unit),
            f"before = [w.detach().clone() for w in {every}]",
            "with torch.no_grad():",
            *indented([f"norm = nn.utils.get_total_norm([{measured}])", *there]),
            "optimizer.zero_grad()",
            *self.objective.ascent_lines(),
            "with torch.no_grad():",
            f"{INDENT}for w, start in zip({every}, before, strict=True):",
            f"{INDENT * 2}w.copy_(start)",
        ]

    def gradient(self, unit: Gradient) -> list[str]:
        """Return the lines of one gradient regularizer."""
        g, w = "w.grad", "w.detach()"
        if unit.matrix:
            g, w = (f"{as_matrix(self.script)}({each})" for each in (g, w))
        extra = {"weight": w, "norm": "norm"}
        lines = remark(unit)
        if "norm" in unit.extra_inputs:
            lines.append(f"norm = nn.utils.get_total_norm([w.grad for w in {self.lists.all_of(unit)}])")
        for parameters, knobs in self.lists.groups(unit):
            draws = [noise(draw, g, 3 * unit.matrix) for draw in unit.noise]
            inputs = [g, *draws, *(extra[each] for each in unit.extra_inputs), knobs, *self.step_inputs(unit)]
            changed = call(formula(self.script, unit), *inputs)
            lines += [f"for w in {parameters}:", f"{INDENT}w.grad = {changed}{'.view_as(w)' * unit.matrix}"]
        return lines

    def weights(self, *, after_update: bool) -> list[Weight]:
        """The changes of weights before the update or behind it, without what the optimizer does itself."""
        return [each for each in self.units(Weight) if each.after_update == after_update and each is not self.decay]

    def weight(self, unit: Weight) -> list[str]:
        """Return the lines of one weight regularizer."""
        w = f"{as_matrix(self.script)}(w)" if unit.matrix else "w"
        lines = []
        for parameters, knobs in self.lists.groups(unit):
            draws = [noise(draw, w, 3 * unit.matrix) for draw in unit.noise]
            fan_in = ["w[0].numel()"] * ("fan_in" in unit.extra_inputs)
            changed = call(formula(self.script, unit), w, *draws, *fan_in, knobs, *self.step_inputs(unit))
            lines += [f"for w in {parameters}:", f"{INDENT}w.copy_({changed}{'.view_as(w)' * unit.matrix})"]
        return [*remark(unit), "with torch.no_grad():", *indented(lines)]

    def step_inputs(self, unit: Placed) -> list[str]:
        """Return the step's numbers that a formula takes, as code."""
        constant = self.protocol.schedule == "constant"
        rate = repr(self.protocol.lr)
        known = {"step": "step", "steps": "steps", "lr": rate if constant else "lr", "peak": rate}
        return [f"{name}={code}" for name, code in known.items() if name in unit.step_inputs]

    def averaging(self) -> list[str]:
        """The average after a step."""
        unit = self.average
        if unit is None:
            return []
        lines = []
        refs = [*self.lists.refs, *([] if unit.moves_weights else self.network.statistics)]
        groups = self.lists.by_knobs(unit, refs)
        for knobs, chosen in groups.items():
            pairs = ", ".join(f"({spot.code.replace('model', 'average', 1)}, {spot.code})" for spot in chosen)
            made = call(formula(self.script, unit), "a", "w", knobs, *self.step_inputs(unit))
            lines.append(f"for a, w in {self.averaged(unit) if len(groups) == 1 else f'[{pairs}]'}:")
            if unit.moves_weights:
                lines += indented([f"new_a, new_w = {made}", "a.copy_(new_a)", "w.copy_(new_w)"])
            else:
                lines.append(f"{INDENT}a.copy_({made}[0])")
        others = "a.copy_(b)  # what is not averaged is the network's own"
        if unit.moves_weights and self.objective.remembers:
            lines += ["for a, b in zip(average.buffers(), model.buffers(), strict=True):", INDENT + others]
        elif any(each.state for each in self.units(WeightLayer)):
            lines += ["for name, b in model.named_buffers():", f'{INDENT}if "parametrizations" in name:']
            lines += [f"{INDENT * 2}average.get_buffer(name).copy_(b)"]
        return [*remark(unit), "with torch.no_grad():", *indented(lines)]

    def averaged(self, unit: Average) -> str:
        """Return the loop head over all that is averaged, with its average."""
        if unit.moves_weights or not self.statistics:
            return "zip(average.parameters(), model.parameters(), strict=True)"
        statistics = "each for each in model.buffers() if each.is_floating_point()"
        if any(each.state for each in self.units(WeightLayer)):
            floats = 'each.is_floating_point() and "parametrizations" not in name'
            statistics = f"each for name, each in model.named_buffers() if {floats}"
        self.script.define(
            "averaged",
            [
                "def averaged(model: nn.Module) -> list[Tensor]:",
                f'{INDENT}"""What is averaged: parameters and running statistics."""',
                f"{INDENT}statistics = [{statistics}]",
                f"{INDENT}return [*model.parameters(), *statistics]",
            ],
        )
        return "zip(averaged(average), averaged(model), strict=True)"

    def copying(self) -> list[str]:
        """A copy for an ensemble."""
        if self.ensemble is None:
            return []
        return [
            *remark(self.ensemble),
            "if ensemble.takes(step, steps):",
            f"{INDENT}member = {call(self.network.define(), *self.network.sizes)}.to(x_train)",
            f"{INDENT}member.load_state_dict(model.state_dict())",
            f"{INDENT}ensemble.members.append(member.eval())",
        ]

    def epoch_end(self) -> list[str]:
        """The lines of an epoch behind its steps: what the network is worth, and whether that is all."""
        score = SCORES[self.task]
        lines = ["model.eval()"]
        if self.average and self.average.reestimates and not self.average.is_off and self.statistics:
            lines.append(f"{self.reestimate_function()}(average, x_train)")
        if self.ensemble:
            lines.append("result = ensemble if len(ensemble.members) else model")
        lines += [
            "with torch.no_grad():",
            f"{INDENT}z = {self.result}(x_valid)",
            f"{INDENT}valid_loss = {LOSSES[self.task]}(z, y_valid)",
            f"{INDENT}{MEASURES[self.task]}",
            f'print(f"epoch {{epoch + 1}}: validation loss {{valid_loss:.4f}}, {score} {{{score}:.4f}}")',
        ]
        stops = [line for number_, unit in enumerate(self.stops) for line in self.stop(number_, unit)]
        moves = ["passed = step / steps"] * any(map(is_moving, self.stops))
        return [*lines, *([""] if stops else []), *moves, *stops]

    def stop(self, place: int, unit: Stop) -> list[str]:
        """Return the lines that end the training; the first stopping regularizer also chooses the best epoch."""
        watched = f"-{SCORES[self.task]}" if unit.settings(numbers=False).get("watch") == "metric" else "valid_loss"
        made = call(formula(self.script, unit), watched, f"*{state_name(place)}", keywords(self.script, unit))
        improved = "improved" if place == 0 else "_"
        best = ["if improved or epoch == 0:", f"{INDENT}best = copy.deepcopy({self.result}.state_dict())"]
        lines = [f"{improved}, stop, *{state_name(place)} = {made}", *(best if place == 0 else [])]
        return [*remark(unit), *lines, "if stop:", f"{INDENT}break"]

    def reestimate_function(self) -> str:
        """Put in what measures running statistics anew; returns its name."""
        return self.script.define(
            "measure_statistics",
            [
                "@torch.no_grad()",
                "def measure_statistics(model: nn.Module, x: Tensor) -> None:",
                f'{INDENT}"""Measure running statistics for the weights as they are: the mean over batches."""',
                f'{INDENT}norms = [each for each in model.modules() if hasattr(each, "momentum")]',
                f"{INDENT}momenta = [norm.momentum for norm in norms]",
                f"{INDENT}for norm in norms:",
                f"{INDENT * 2}norm.train()",
                f"{INDENT}batches = [rows for rows in x[:{MEASURED_ROWS}].split({MEASURED_BATCH}) if len(rows) > 1]",
                f"{INDENT}for number, rows in enumerate(batches, start=1):",
                f"{INDENT * 2}for norm in norms:",
                f"{INDENT * 3}norm.momentum = 1 / number  # all batches so far count alike",
                f"{INDENT * 2}model(rows)",
                f"{INDENT}for norm, momentum in zip(norms, momenta, strict=True):",
                f"{INDENT * 2}norm.momentum = momentum",
                f"{INDENT}model.eval()",
            ],
        )

    def return_lines(self) -> list[str]:
        """Return the last lines: what ``train`` returns."""
        best = [f"{self.result}.load_state_dict(best)"] if self.stops else []
        return [*best, f"return {self.result}"]


def state_name(place: int) -> str:
    """Return the name of the state of the recipe's stopping regularizers, by their order."""
    return f"state_{place + 1}" if place else "state"


def names_in(lines: Iterable[str]) -> set[str]:
    """The names that code uses."""
    tree = ast.parse("\n".join(lines))
    return {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}


def joined(blocks: Iterable[list[str]]) -> list[str]:
    """Blocks of lines, with an empty line around those that have a remark."""
    lines: list[str] = []
    remarked = False
    for block in filter(None, blocks):
        lines += [*[""] * bool(lines and (remarked or block[0].startswith("#"))), *block]
        remarked = any(line.startswith("#") for line in block)
    return lines
