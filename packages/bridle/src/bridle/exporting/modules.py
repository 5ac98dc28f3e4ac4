"""Classes of modules that act inside the network: a regularizer's formula with its parameters and buffers.

A class is written when all sites of its regularizer are known, for the shapes that occur there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch

from bridle.exporting.calls import as_matrix, call, formula, method, noise, packed_state, summary_of
from bridle.exporting.formulas import copy_function
from bridle.exporting.knob_code import number, quoted
from bridle.exporting.script import Script
from bridle.exporting.wrapping import INDENT, docstring, indented
from bridle.places import ActivityLoss, Layer, WeightLayer
from bridle.places.base import Placed, Start

__all__ = ["constructor", "define_activity", "define_layer", "define_weight_layer", "is_per_output"]

Inside = Layer | WeightLayer | ActivityLoss
Back = Callable[[str], str]  # from the code of a result to that of the result in the shape of what came in
SAMPLE = torch.ones(3, 2, 1, dtype=torch.float64)  # a weight, to see what shape what is learned of it has
LAST_AXIS = "h.movedim(1, -1)"


def constructor(script: Script, unit: Inside, where: tuple[str, ...], subject: str) -> str:
    """Return the call that makes the module at these names; ``subject`` is the number of units there, or the weight."""
    settings = unit.keywords(*where)
    words = [f"{k}={number(script, v) if isinstance(v, float) else quoted(v)}" for k, v in settings.items()]
    return call(type(unit).__name__, subject if unit.parameters or unit.state else "", *words)


def define_layer(script: Script, unit: Layer, axes: set[int]) -> None:
    """Define the class of a layer, for activations with these numbers of axes."""
    conversion, subject, back = input_conversion(unit, axes)
    column = ".view(-1, 1, 1)" if unit.maps else ""
    inputs = [f"self.{name}{column}" for name in unit.parameters]
    inputs += packed_state(unit, [f"self.{name}{column}" for name in unit.state._fields])
    draws = [noise(draw, subject, 4 if unit.maps else 2) for draw in unit.noise]
    trained = call(formula(script, unit), subject, *draws, *inputs, own_knobs(unit))
    evaluate = method(script, unit, type(unit).evaluate)
    lines = [
        *([] if evaluate else eval_return("h")),
        *conversion,
        *(eval_return(call(evaluate, subject, *inputs, own_knobs(unit)), back) if evaluate else []),
        *train_return(unit, trained, back, ".flatten()" if unit.maps else ""),
    ]
    starts = {name: full("units", start) for name, start in (unit.parameters | unit.state._asdict()).items()}
    define_class(script, unit, lines, of="h", subject="units: int", starts=starts)


def input_conversion(unit: Layer, axes: set[int]) -> tuple[list[str], str, Back]:
    """Return the code that converts activations for the formula, the result's name, and the code that converts back."""
    if unit.maps:
        if axes == {4}:
            return [], "h", str
        position = "[:, :, None, None]" if axes == {2} else ".view(*h.shape[:2], *(1, 1, *h.shape[2:])[-2:])"
        return [f"maps = h{position}"], "maps", lambda out: f"{out}.reshape(h.shape)"
    if axes == {2}:
        return [], "h", str
    rows = f"rows = {LAST_AXIS}.flatten(0, -2)  # positions count as rows"
    return [rows], "rows", lambda out: f"{out}.view({LAST_AXIS}.shape).movedim(-1, 1)"


def eval_return(result: str, back: Back = str) -> list[str]:
    """Return the lines by which a module returns in evaluation mode."""
    return ["if not self.training:", *indented(return_lines(result, back))]


def return_lines(result: str, back: Back) -> list[str]:
    """Return the lines that return a result in the shape of the input."""
    return [f"return {result}"] if back("out") == "out" else [f"out = {result}", f"return {back('out')}"]


def train_return(unit: Layer | WeightLayer, trained: str, back: Back, shape: str) -> list[str]:
    """Return the lines by which a module returns in training mode, its state updated."""
    if not unit.state:
        return return_lines(trained, back)
    return [
        f"out, state = {trained}",
        *(f"self.{name} = state.{name}.detach(){shape}" for name in unit.state._fields),
        f"return {back('out')}",
    ]


def define_weight_layer(script: Script, unit: WeightLayer) -> None:
    """Define the class of a formula on weights, for ``torch.nn.utils.parametrize``."""
    to_matrix = as_matrix(script)
    inputs, starts = {}, {}
    begins = unit.parameters | unit.state._asdict()
    for name, start in begins.items():
        begun = call(copy_function(script, start), "matrix") if callable(start) else full("len(w), 1, 1", start)
        column = name in unit.parameters and is_per_output(start)
        starts[name] = f"{begun}.flatten()" if column else begun  # no matrix: `on` does not mean it
        inputs[name] = f"self.{name}.view(-1, 1, 1)" if column else f"self.{name}"
    values = [inputs[name] for name in unit.parameters]
    values += packed_state(unit, [inputs[name] for name in unit.state._fields])
    draws = [noise(draw, "matrix", 3) for draw in unit.noise]
    trained = call(formula(script, unit), "matrix", *draws, *values, own_knobs(unit))
    evaluate = method(script, unit, type(unit).evaluate)

    def back(out: str) -> str:
        return f"{out}.view_as(w)"

    lines = [
        *([] if evaluate else eval_return("w")),
        f"matrix = {to_matrix}(w)",
        *(eval_return(call(evaluate, "matrix", *values, own_knobs(unit)), back) if evaluate else []),
        *train_return(unit, trained, back, ""),
    ]
    before = [f"matrix = {to_matrix}(w)"] if any(map(callable, begins.values())) else []
    define_class(script, unit, lines, of="w", subject="w: Tensor", starts=starts, before=before)


def is_per_output(start: Start) -> bool:
    """Return True where a weight layer's parameter has one number for each output."""
    return not callable(start) or tuple(start(SAMPLE).shape[1:]) == (1, 1)


def define_activity(script: Script, unit: ActivityLoss, axes: set[int]) -> None:
    """Define the class of a penalty on activations, for activations with these numbers of axes."""
    subject = "h" if axes == {2} else f"{LAST_AXIS}.flatten(0, -2)"
    lines = [
        "if self.training:",
        f"{INDENT}self.penalty = {call(formula(script, unit), subject, own_knobs(unit))}",
        "return h",
    ]
    define_class(script, unit, lines, of="h")


def own_knobs(unit: Placed) -> str:
    """Return the knobs of a module as keyword arguments of a call within it."""
    return ", ".join(f"{name}=self.{name}" for name in unit.keywords())


def full(shape: str, start: float) -> str:
    """Return the code of a tensor with the same number everywhere."""
    known = {0.0: f"torch.zeros({shape})", 1.0: f"torch.ones({shape})"}
    return known.get(float(start), f"torch.full(({shape},), {float(start)!r})")


def define_class(
    script: Script,
    unit: Inside,
    lines: Iterable[str],
    *,
    of: str,
    subject: str = "",
    starts: Mapping[str, str] | None = None,
    before: Iterable[str] = (),
) -> None:
    """Define a module: its knobs, parameters and buffers (``starts``), and its forward pass, ``lines`` of one argument.

    What starts somewhere is made of the ``subject``, which comes first, by way of the lines ``before``.
    """
    knobs, begun = unit.keywords(), starts or {}
    typed = [*[subject] * bool(begun), *(f"{name}: {type(value).__name__}" for name, value in knobs.items())]
    begin = [
        f"def __init__({', '.join(['self', *typed])}) -> None:",
        f"{INDENT}super().__init__()",
        *indented(f"self.{name} = {name}" for name in knobs),
        *indented(before),
        *indented(f"self.{name} = nn.Parameter({begun[name]})" for name in unit.parameters),
        *indented(f'self.register_buffer("{name}", {begun[name]})' for name in unit.state._fields),
        "",
    ]
    script.define(
        type(unit).__name__,
        [
            f"class {type(unit).__name__}(nn.Module):",
            *docstring(summary_of(unit) or repr(unit), INDENT),
            "",
            *indented(begin if typed else []),
            f"{INDENT}def forward(self, {of}: Tensor) -> Tensor:",
            *indented(lines, 2),
        ],
    )
