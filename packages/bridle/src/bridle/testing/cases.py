"""The cases in which a regularizer is checked, made from what it declares: words, shapes, moments of the training.

Nothing here knows a regularizer by name: a new one is checked without a line being added.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from bridle.feature_layout import Layout
from bridle.knobs import Knob, knobs
from bridle.places import Ensemble, WeightLayer
from bridle.places.signatures import Form

__all__ = [
    "CLASSES",
    "ROWS",
    "SEEDS",
    "STEPS",
    "UNITS",
    "VARIANTS",
    "Case",
    "Leaf",
    "Shape",
    "cases",
    "sample_variants",
]

Leaf = type[Any]  # the class of a regularizer
Shape = tuple[int, ...]

SEEDS, VARIANTS = 2, 4  # the leading axes of a stack
ROWS, UNITS, CLASSES, COPIES = 8, 5, 3, 3
POSITIONS = ((3, 4), (1, 1))  # of maps: images, a plain batch
PARAMETERS = ((5, 4), (3, 2, 1, 2), (4,))  # of a linear layer, a convolution, a bias
MATRICES = ((3, 2, 4), (6, 2, 1), (4, 1, 1))  # wide, tall, a bias
IMAGES = (Layout((1, 4, 3)), Layout((3, 2, 3)))
TABLE = Layout(None, (0, 1, 1, 0, 2, 3, 3, 3))  # a number, and groups of two and three columns
MOMENTS, STEPS, PEAK = (0, 4, 19), 20, 0.1  # steps of the training, their number, the highest learning rate


def sample_values(declared: Knob) -> list[float]:
    """Return one value per variant, all different, within the knob's range, none of them ``off``."""
    low, default, high = declared.low, float(declared.default), declared.high
    if not declared.log and high < math.inf:
        return [low + (high - low) * share for share in (0.05, 0.3, 0.5, 0.9)]
    scale = default - low or 1.0
    wide = [low + scale * factor for factor in (0.1, 1.0, 3.0, 30.0)]
    return wide if wide[-1] < high else [*wide[:2], *(default + (high - default) * share for share in (0.3, 0.8))]


def sample_variants(leaf: Leaf, words: dict[str, str] | None = None) -> list[Any]:
    """One regularizer per variant, all number knobs different from variant to variant."""
    numbers = {k.name: sample_values(k) for k in knobs(leaf) if k.is_number}
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
    def forms(self) -> dict[str, Form]:
        """The forms in which the formulas are called, by name."""
        return {form.name: form for form in self.leaf.forms}

    @property
    def arrays(self) -> list[str]:
        """The names of the arrays that the formula is given, its subjects first."""
        return self.forms["vanilla"].arrays.split()

    def has(self, form: str) -> bool:
        """Return True if a formula of this name belongs to the regularizer."""
        return form in self.forms

    @cached_property
    def units(self) -> list[Any]:
        """One regularizer per variant."""
        return sample_variants(self.leaf, self.words)

    @property
    def lead(self) -> int:
        """The axis at which a stack's leading axes begin: 0, or 1 behind the copies of an ensemble."""
        return int(issubclass(self.leaf, Ensemble))

    @property
    def axes(self) -> int:
        """The number of axes of one variant's subject behind the leading ones."""
        return len(self.shapes[0]) - self.lead

    @property
    def matrix(self) -> Shape:
        """The shape of a weight as (outputs, inputs, positions)."""
        outputs, inputs, *positions = (*self.shapes[0], 1, 1)[: max(3, len(self.shapes[0]))]
        return outputs, inputs, math.prod(positions)

    @cached_property
    def keywords(self) -> dict[str, Any]:
        """The keywords of the formula that are not numbers to set: its words and step inputs."""
        moment = {"lr": PEAK * (1 - self.step / STEPS), "peak": PEAK, "step": self.step, "steps": STEPS}
        known = {**moment, "layout": self.layout}
        return {**self.units[0].words_in_formula(), **{name: known[name] for name in self.leaf.step_inputs}}

    def numbers(self, unit: Any) -> dict[str, Any]:
        """The knobs that the formula takes: not all take them."""
        return unit.settings(numbers=True) if self.forms["vanilla"].knobs else {}

    def named(self, unit: object) -> str:
        """The unit in this case, for messages."""
        keywords = "".join(f", {name}={value}" for name, value in self.keywords.items())
        return f"{unit!r} on {' and '.join(map(str, self.shapes))}{keywords}"


def cases(leaf: Leaf) -> Iterator[Case]:
    """Every choice of every word, every kind of subject, and several moments for a formula that takes the step."""
    choices = {k.name: k.choices for k in knobs(leaf) if k.choices}
    steps = MOMENTS if {"lr", "step"} & {*leaf.step_inputs} else MOMENTS[1:2]
    layouts: tuple[Layout | None, ...] = (None,)
    if "layout" in leaf.step_inputs:
        layouts = IMAGES if leaf.images_only else (*IMAGES, TABLE)
    for words, layout, step in product(product(*choices.values()), layouts, steps):
        parts = math.lcm(*(2 * int(word) for word in words if word.isdecimal()))
        for shapes in subject_shapes(leaf, layout, parts):
            yield Case(leaf, dict(zip(choices, words, strict=True)), shapes, layout, step)


def subject_shapes(leaf: Leaf, layout: Layout | None, parts: int) -> Iterator[tuple[Shape, ...]]:
    """The shapes of what a regularizer acts on; activations can be divided into so many parts."""
    outputs = (CLASSES,) if leaf.classes_only else (CLASSES, 1)  # 1: a regression
    first, *more = (name for name in leaf.forms[0].arrays.split() if name != "norm" and not name.startswith("*"))
    if first == "x":
        features = UNITS if layout is None else math.prod(layout.image or (len(layout.groups),))
        yield from (((ROWS, features), (ROWS, width)) for width in outputs)
    elif first == "h":
        units = math.ceil(UNITS / parts) * parts
        rows = ROWS if leaf.maps else math.ceil(ROWS / parts) * parts  # what divides maps divides their channels
        yield from (((rows, units, *behind),) for behind in (POSITIONS if leaf.maps else ((),)))
    elif first == "z":
        copies = (COPIES,) * issubclass(leaf, Ensemble)
        yield from (((*copies, ROWS, width),) * (1 + len(more)) for width in outputs)
    elif first == "score":
        yield ((),)
    else:
        parameters = MATRICES if leaf.matrix or issubclass(leaf, WeightLayer) else PARAMETERS
        yield from ((shape,) * (1 + len(more)) for shape in parameters)
