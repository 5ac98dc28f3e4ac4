"""Gradients and weights between ``backward`` and the next step: a block of lines for each regularizer there."""

from __future__ import annotations

from bridle.exporting.calls import as_matrix, call, formula, method, noise, remark, step_inputs
from bridle.exporting.objective import ObjectiveCode
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import INDENT, indented
from bridle.places import Ascent, Gradient, Weight

__all__ = ["ascent_lines", "gradient_lines", "weight_lines"]


def ascent_lines(spec: TrainingSpec, unit: Ascent, objective: ObjectiveCode) -> list[str]:
    """Return the lines that take the gradient at another point instead of that at the weights."""
    every, groups = spec.lists.everything(), spec.lists.groups(unit)
    measure = method(spec.script, unit, type(unit).measure, 1)
    lengths = [f"{call(measure, 'w', 'w.grad', knobs)} for w in {each}" for each, knobs in groups]
    lengths = lengths if measure else [f"w.grad for w in {spec.lists.all_of(unit)}"]
    measured = lengths[0] if len(lengths) == 1 else ", ".join(f"*({each})" for each in lengths)
    there = []
    for parameters, knobs in groups:
        moved = call(formula(spec.script, unit), "w", "w.grad", "norm", knobs)
        there += [f"for w in {parameters}:", f"{INDENT}w.copy_({moved})"]
    return [
        *remark(unit),
        f"before = [w.detach().clone() for w in {every}]",
        "with torch.no_grad():",
        *indented([f"norm = nn.utils.get_total_norm([{measured}])", *there]),
        "optimizer.zero_grad()",
        *objective.second_gradient_lines(),
        "with torch.no_grad():",
        f"{INDENT}for w, start in zip({every}, before, strict=True):",
        f"{INDENT * 2}w.copy_(start)",
    ]


def gradient_lines(spec: TrainingSpec, unit: Gradient) -> list[str]:
    """Return the lines by which one regularizer changes the gradients."""
    g, w = "w.grad", "w.detach()"
    if unit.matrix:
        g, w = (f"{as_matrix(spec.script)}({each})" for each in (g, w))
    extra = {"weight": w, "norm": "norm"}
    lines = remark(unit)
    if "norm" in unit.extra_inputs:
        lines.append(f"norm = nn.utils.get_total_norm([w.grad for w in {spec.lists.all_of(unit)}])")
    for parameters, knobs in spec.lists.groups(unit):
        draws = [noise(draw, g, 3 * unit.matrix) for draw in unit.noise]
        inputs = [g, *draws, *(extra[each] for each in unit.extra_inputs), knobs, *step_inputs(unit, spec.protocol)]
        changed = call(formula(spec.script, unit), *inputs)
        lines += [f"for w in {parameters}:", f"{INDENT}w.grad = {changed}{'.view_as(w)' * unit.matrix}"]
    return lines


def weight_lines(spec: TrainingSpec, unit: Weight) -> list[str]:
    """Return the lines by which one regularizer changes the weights."""
    w = f"{as_matrix(spec.script)}(w)" if unit.matrix else "w"
    lines = []
    for parameters, knobs in spec.lists.groups(unit):
        draws = [noise(draw, w, 3 * unit.matrix) for draw in unit.noise]
        fan_in = ["w[0].numel()"] * ("fan_in" in unit.extra_inputs)
        changed = call(formula(spec.script, unit), w, *draws, *fan_in, knobs, *step_inputs(unit, spec.protocol))
        lines += [f"for w in {parameters}:", f"{INDENT}w.copy_({changed}{'.view_as(w)' * unit.matrix})"]
    return [*remark(unit), "with torch.no_grad():", *indented(lines)]
