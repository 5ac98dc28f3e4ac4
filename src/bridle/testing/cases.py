"""Inputs for the common checks, made from what a regularizer declares, and one way to call the formulas of all places.

Nothing here knows a regularizer by name: a new one is checked without a line being added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bridle.draws import TICKS, Noise, normal_quantiles
from bridle.knobs import Knob, knobs
from bridle.layout import Layout
from bridle.places import (
    ActivityLoss,
    Ascent,
    Average,
    Batch,
    Draw,
    Ensemble,
    Gradient,
    Layer,
    Loss,
    OutputLoss,
    PassLoss,
    Stop,
    Weight,
    WeightLayer,
)

Leaf = type[Any]  # the class of a regularizer
Shape = tuple[int, ...]

PENALTIES = (Loss, ActivityLoss, OutputLoss, PassLoss)
WITH_GRADIENT = (Layer, WeightLayer, *PENALTIES)
WITH_SEVERAL_RESULTS = (Batch, Layer, WeightLayer, Average, Stop)
KINDS = (*WITH_GRADIENT, Batch, Gradient, Ascent, Weight, Average, Ensemble, Stop)

SEEDS, VARIANTS = 2, 4  # the leading axes of a stack
ROWS, UNITS, CLASSES, COPIES = 8, 5, 3, 3
POSITIONS = ((3, 4), (1, 1))  # of maps: images, a plain batch
PARAMETERS = ((5, 4), (3, 2, 1, 2), (4,))  # of a linear layer, a convolution, a bias
MATRICES = ((3, 2, 4), (6, 2, 1), (4, 1, 1))  # wide, tall, a bias
IMAGES = (Layout((1, 4, 3)), Layout((3, 2, 3)))
TABLE = Layout(None, (0, 1, 1, 0, 2, 3, 3, 3))  # a number, and groups of two and three columns
LEVELS = {"uniform": np.arange(TICKS) / TICKS, "normal": normal_quantiles()}  # of noise
MOMENTS, STEPS, PEAK = (0, 4, 19), 20, 0.1  # steps of the training, their number, the highest learning rate


def values(declared: Knob) -> list[float]:
    """As many different values as there are variants, within the knob's range, none of them ``off``."""
    low, default, high = declared.low, float(declared.default), declared.high
    if not declared.log and high < math.inf:
        return [low + (high - low) * share for share in (0.05, 0.3, 0.5, 0.9)]
    scale = default - low or 1.0
    wide = [low + scale * factor for factor in (0.1, 1.0, 3.0, 30.0)]
    return wide if wide[-1] < high else [*wide[:2], *(default + (high - default) * share for share in (0.3, 0.8))]


def settings(leaf: Leaf, words: dict[str, str] | None = None) -> list[Any]:
    """One regularizer per variant, all number knobs different from variant to variant."""
    numbers = {k.name: values(k) for k in knobs(leaf) if k.is_number}
    each = ({name: found[variant] for name, found in numbers.items()} for variant in range(VARIANTS))
    return [leaf(**own, **(words or {})) for own in each]


@dataclass(frozen=True)
class Case:
    """One use of a regularizer: the words it is given, what it acts on, and when in the training."""

    leaf: Leaf
    words: dict[str, str]
    shapes: tuple[Shape, ...]  # of the subjects
    layout: Layout | None
    step: int

    @cached_property
    def kind(self) -> type[Any]:
        """The base that says how the formulas are called."""
        return next(kind for kind in KINDS if issubclass(self.leaf, kind))

    @cached_property
    def units(self) -> list[Any]:
        """One regularizer per variant."""
        return settings(self.leaf, self.words)

    @property
    def lead(self) -> int:
        """Where the leading axes of a stack go: to the front, but behind the copies of an ensemble."""
        return int(self.kind is Ensemble)

    @property
    def axes(self) -> int:
        """How many axes the subject of one variant has behind the leading ones."""
        return len(self.shapes[0]) - self.lead

    @property
    def matrix(self) -> Shape:
        """The shape of a weight as (outputs, inputs, positions)."""
        outputs, inputs, *positions = (*self.shapes[0], 1, 1)[: max(3, len(self.shapes[0]))]
        return outputs, inputs, math.prod(positions)

    @cached_property
    def told(self) -> dict[str, Any]:
        """The keywords of the formula that are not numbers to set: what it is told of the step, and its words."""
        moment = {"lr": PEAK * (1 - self.step / STEPS), "peak": PEAK, "step": self.step, "steps": STEPS}
        known = {**moment, "layout": self.layout, **self.units[0].settings(numbers=False)}
        return {name: known[name] for name in self.leaf.told}

    def numbers(self, unit: Any) -> dict[str, Any]:
        """The knobs that the formula takes: an ensemble's takes none."""
        return {} if self.kind is Ensemble else unit.settings(numbers=True)

    def named(self, unit: Any) -> str:
        """The unit in this case, for messages."""
        told = "".join(f", {name}={value}" for name, value in self.told.items())
        return f"{unit!r} on {' and '.join(map(str, self.shapes))}{told}"


def cases(leaf: Leaf) -> Iterator[Case]:
    """Every choice of every word, every kind of subject, and several moments for a formula that is told the step."""
    choices = {k.name: k.choices for k in knobs(leaf) if k.choices}
    steps = MOMENTS if {"lr", "step"} & {*leaf.told} else MOMENTS[1:2]
    layouts: tuple[Layout | None, ...] = (None,)
    if "layout" in leaf.told:
        layouts = IMAGES if leaf.images_only else (*IMAGES, TABLE)
    for words, layout, step in product(product(*choices.values()), layouts, steps):
        parts = math.lcm(*(2 * int(word) for word in words if word.isdecimal()))
        for shapes in subjects(leaf, layout, parts):
            yield Case(leaf, dict(zip(choices, words, strict=True)), shapes, layout, step)


def subjects(leaf: Leaf, layout: Layout | None, parts: int) -> Iterator[tuple[Shape, ...]]:
    """The shapes of what a regularizer acts on; activations can be divided into so many parts."""
    outputs = (CLASSES,) if getattr(leaf, "classes_only", False) else (CLASSES, 1)  # 1: a regression
    if issubclass(leaf, Batch):
        features = UNITS if layout is None else math.prod(layout.image or (len(layout.groups),))
        yield from (((ROWS, features), (ROWS, width)) for width in outputs)
    elif issubclass(leaf, Layer):
        units = math.ceil(UNITS / parts) * parts
        rows = ROWS if leaf.maps else math.ceil(ROWS / parts) * parts  # what divides maps divides their channels
        yield from (((rows, units, *behind),) for behind in (POSITIONS if leaf.maps else ((),)))
    elif issubclass(leaf, ActivityLoss):
        yield ((ROWS, UNITS),)
    elif issubclass(leaf, OutputLoss):
        yield from (((ROWS, width),) for width in outputs)
    elif issubclass(leaf, PassLoss):
        yield from (((ROWS, width), (ROWS, width)) for width in outputs)
    elif issubclass(leaf, Ensemble):
        yield from (((COPIES, ROWS, width),) for width in outputs)
    elif issubclass(leaf, Stop):
        yield ((),)
    elif issubclass(leaf, Ascent | Average):
        yield from ((shape, shape) for shape in PARAMETERS)
    else:
        yield from ((shape,) for shape in (MATRICES if getattr(leaf, "matrix", True) else PARAMETERS))


class Inputs(NamedTuple):
    """The positional arguments of a formula, in order: arrays or tensors."""

    subjects: list[Any]
    noise: list[Any]
    asked: list[Any]
    parameters: list[Any]
    state: list[Any]

    @property
    def all(self) -> list[Any]:
        """One after the other."""
        return [each for part in self for each in part]

    @property
    def evaluated(self) -> list[Any]:
        """Those that the evaluation form takes."""
        return [*self.subjects, *self.parameters, *self.state]

    def each(self, change: Callable[[Any], Any]) -> Inputs:
        """All of them changed."""
        return Inputs(*([change(each) for each in part] for part in self))

    def cast(self, dtype: Any) -> Inputs:
        """As arrays of another type, which they hold rounded."""
        return self.each(lambda each: np.asarray(each).astype(dtype))


def arrays(case: Case, unit: Any, seed: int = 0, variant: int = 0, *, given: Sequence[np.ndarray] = ()) -> Inputs:
    """The arguments of both forms for one variant, in float64: the noise is its seed's, all else its own.

    ``given`` are subjects in place of the usual ones.
    """
    random = np.random.default_rng([seed, variant])
    first = list(given) or usual(case, random, seed)
    noise = [] if case.kind is PassLoss else run_noise(case.leaf.noise, case.shapes[0], seed)
    wanted = asked(case, unit, first, random)
    parameters = [begun(case, start, random) for start in case.leaf.parameters.values()]
    if case.kind is Stop:
        state = in_mind(case, unit, epochs=seed + variant)
    else:
        state = [begun(case, start, random) for start in case.leaf.state.values()]
    return Inputs(first, noise, wanted, parameters, state)


def usual(case: Case, random: np.random.Generator, seed: int) -> list[np.ndarray]:
    """Subjects as they come."""
    found = [np.asarray(random.normal(size=shape)) for shape in case.shapes]
    if case.kind is Stop:
        return [score(case, random)]
    if case.kind is Batch and case.shapes[1][1] > 1:  # labels, or what another regularizer has made of them
        found[1] = np.eye(CLASSES)[found[1].argmax(1)] if seed % 2 else probabilities(found[1])
    return found


def score(case: Case, random: np.random.Generator) -> np.ndarray:
    """What is watched to stop by: a loss, or the negative of a metric."""
    return np.asarray(random.uniform() - (case.words.get("watch") == "metric"))


def probabilities(z: np.ndarray) -> np.ndarray:
    """Logits (rows, classes) as probabilities."""
    exponentials = np.exp(z)
    return np.asarray(exponentials / exponentials.sum(1, keepdims=True))


def run_noise(draws: Sequence[Draw], subject: Shape, seed: int) -> list[np.ndarray]:
    """Noise as a run with this seed draws it."""
    stream = Noise(seed)
    ticks = [stream.ticks(spot, *draw.shape(subject)) for spot, draw in enumerate(draws)]
    return [LEVELS[draw.kind][each] for draw, each in zip(draws, ticks, strict=True)]


def asked(case: Case, unit: Any, first: list[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """The arrays that the formula asks for."""
    if case.kind is Ascent:
        return [norm_of_all(unit.measure(*first, **case.numbers(unit)))]
    found = []
    for name in () if case.kind is PassLoss else case.leaf.asks:
        if name == "norm":
            found.append(norm_of_all(first[0]))
        elif name == "prediction":
            z = random.normal(size=case.shapes[1])
            found.append(probabilities(z) if z.shape[1] > 1 else z)
        elif name != "fan_in":  # which is no array, see call_with
            found.append(random.normal(size=case.shapes[0]))
    return found


def norm_of_all(one: np.ndarray) -> np.ndarray:
    """The length of several parameters' gradients together, of which this is one."""
    return np.asarray(1.5 * np.linalg.norm(one))


def begun(case: Case, start: Any, random: np.random.Generator) -> np.ndarray:
    """A parameter or state somewhere along the way from its start: what starts positive stays positive."""
    if callable(start):  # of the weight: then as it starts for another weight
        return np.asarray(start(random.normal(size=case.matrix)))
    one = case.shapes[0][1] if case.kind is Layer else case.matrix[0]
    shape = (one,) if case.kind is Layer and not case.leaf.maps else (one, 1, 1)
    return start * random.uniform(0.5, 1.5, shape) if start else random.normal(size=shape)


def in_mind(case: Case, unit: Any, epochs: int) -> list[np.ndarray]:
    """What a regularizer that stops remembers after so many epochs."""
    random = np.random.default_rng(9)
    state = [np.asarray(float(start)) for start in case.leaf.state.values()]
    for _ in range(epochs):
        state = unit.vanilla(score(case, random), *state, **case.numbers(unit), **case.told)[2:]
    return [np.asarray(each) for each in state]


def second_pass(case: Case, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """A batch (rows, features), and what a penalty is given to move it: the slope, or noise."""
    random = np.random.default_rng([seed, 3])
    x, slope = random.normal(size=(2, ROWS, UNITS))
    return x, [slope] if "slope" in case.leaf.asks else run_noise(case.leaf.noise, x.shape, seed)


def stacked(case: Case, alone: list[list[Inputs]], *, shared: bool = False) -> Inputs:
    """The arguments of all variants (seeds, variants, ...), each with the subject's axes; noise has one variant.

    ``shared``: so have the subjects.
    """

    def together(part: str, number: int) -> np.ndarray:
        one = part == "noise" or (shared and part == "subjects")
        grid = [[getattr(each, part)[number] for each in (row[:1] if one else row)] for row in alone]
        aligned = [[each[(None,) * (case.axes + case.lead - each.ndim)] for each in row] for row in grid]
        return np.stack([np.stack(row, case.lead) for row in aligned], case.lead)

    return Inputs(*([together(part, n) for n in range(len(getattr(alone[0][0], part)))] for part in Inputs._fields))


def tensors(inputs: Inputs, dtype: torch.dtype = torch.float64, device: str = "cpu") -> Inputs:
    """The same as tensors, copied; noise in float32 at least, since bfloat16 would round a rate to 1/256."""
    exact = torch.promote_types(dtype, torch.float32)
    made = inputs.each(lambda each: torch.tensor(each, dtype=dtype, device=device))
    return made._replace(noise=[torch.tensor(each, dtype=exact, device=device) for each in inputs.noise])


def as_stored(tensor: Tensor) -> Tensor:
    """(seeds, variants, ...), the same values, but in memory as the engine keeps them: variants inmost."""
    if tensor.ndim < 3:
        return tensor
    return tensor.movedim(1, 2).contiguous().movedim(2, 1)


@dataclass(frozen=True)
class Vanilla:
    """What the NumPy form returned: its results, and the function from a result's gradient to the inputs' gradients."""

    results: tuple[Any, ...]
    backward: Callable[[Any], tuple[np.ndarray, ...]] | None  # None at the places that nothing flows back through

    def gradients(self, g: Any) -> tuple[np.ndarray, ...]:
        """Those of the inputs, for the gradient of the first result."""
        if self.backward is None:
            raise AssertionError("nothing flows back through this place")
        return self.backward(g)


def call_vanilla(case: Case, unit: Any, inputs: Inputs) -> Vanilla:
    """The NumPy form at any place."""
    returned = unit.vanilla(*inputs.all, *fan_in(case), **case.numbers(unit), **case.told)
    if case.kind in (Layer, WeightLayer):
        *results, backward = returned
        return Vanilla(tuple(results), backward)
    if case.kind in PENALTIES:
        count = 1 + len(case.shapes)
        gradients = returned[1:count]
        return Vanilla((returned[0], *returned[count:]), lambda g: tuple(g * each for each in gradients))
    return Vanilla(as_results(case, returned), None)


def call_torch(case: Case, unit: Any, inputs: Inputs) -> tuple[Tensor, ...]:
    """The PyTorch form at any place, with its knobs as Python numbers."""
    return call_with(case, case.numbers(unit), inputs)


def call_with(case: Case, numbers: dict[str, Any], inputs: Inputs, **out: Tensor) -> tuple[Tensor, ...]:
    """The PyTorch form at any place, with knobs given as numbers or tensors."""
    return as_results(case, case.leaf.torch(*inputs.all, *fan_in(case), **numbers, **case.told, **out))


def add_gradient(case: Case, numbers: dict[str, Any], g: Tensor, inputs: Inputs, **out: Tensor) -> tuple[Tensor, ...]:
    """The gradient form of a penalty on parameters."""
    return as_results(case, case.leaf.add_gradient(g, *inputs.all, **numbers, **case.told, **out))


def as_results(case: Case, returned: Any) -> tuple[Any, ...]:
    """What a form returned as a tuple: it is one where the place has several results, or where there is state."""
    return returned if case.kind in WITH_SEVERAL_RESULTS or case.leaf.state else (returned,)


def fan_in(case: Case) -> list[float]:
    """The number of inputs of a unit, for those that ask for it."""
    return [float(math.prod(case.matrix[1:]))] if "fan_in" in case.leaf.asks else []


def words(case: Case) -> dict[str, Any]:
    """The words that an evaluation form is told."""
    return {name: value for name, value in case.told.items() if isinstance(value, str)}


def knob_tensors(case: Case, units: list[Any], *shape: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """The knobs of all variants as tensors of this shape."""
    return {
        name: torch.tensor([case.numbers(unit)[name] for unit in units], dtype=dtype).view(shape)
        for name in case.numbers(units[0])
    }


def grid_knobs(case: Case, units: list[Any], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """The knobs of all variants (1, variants, 1, ...), to be broadcast against stacked subjects."""
    return knob_tensors(case, units, 1, -1, *[1] * case.axes, dtype=dtype)


def edges(case: Case, unit: Any) -> Iterator[tuple[str, Inputs]]:
    """Inputs at which formulas break: those of a dead network, of a dying and a diverging one, and extreme noise."""
    plain = arrays(case, unit)
    for name, make in EDGES.items():
        first = make(case.shapes[0])
        beside = [first, -first] if case.kind is not Batch else plain.subjects[1:]  # targets cannot be any numbers
        for given in [[first, second] for second in beside] if len(case.shapes) > 1 else [[first]]:
            yield name, arrays(case, unit, given=given)
        for number, each in enumerate(plain.asked):
            if each.shape == case.shapes[0]:
                changed = [*plain.asked[:number], make(each.shape), *plain.asked[number + 1 :]]
                yield f"{name} asked for", plain._replace(asked=changed)
    for name, end in (("lowest noise", 0), ("highest noise", -1)):
        kinds = [draw.kind for draw in case.leaf.noise][: len(plain.noise)]
        noise = [np.full(each.shape, LEVELS[kind][end]) for kind, each in zip(kinds, plain.noise, strict=True)]
        yield name, plain._replace(noise=noise)


def signs(shape: Shape) -> np.ndarray:
    """Some 1, some -1."""
    return np.where(np.random.default_rng(1).uniform(size=shape) < 0.5, -1.0, 1.0)


def columns(shape: Shape) -> np.ndarray:
    """Alike in all rows, different in each column."""
    if len(shape) < 2:
        return np.full(shape, -2.0)
    return np.zeros(shape) + np.linspace(-2.0, 2.0, shape[1]).reshape(-1, *[1] * (len(shape) - 2))


EDGES: dict[str, Callable[[Shape], np.ndarray]] = {
    "zeros": np.zeros,
    "1e-30": lambda shape: signs(shape) * 1e-30,
    "1e30": lambda shape: signs(shape) * 1e30,
    "constant columns": columns,
    "a constant": lambda shape: np.full(shape, 0.3),
    "a huge constant": lambda shape: np.full(shape, 2.0**100),  # a power of two: its mean is exact in any order
}
