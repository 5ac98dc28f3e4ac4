"""The penalties that are added to the loss of a step."""

from __future__ import annotations

from bridle.exporting.calls import as_matrix, call, formula, method, noise, packed_state, remark
from bridle.exporting.formulas import copy_function
from bridle.exporting.knob_code import keywords
from bridle.exporting.passes import PassCode
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import INDENT
from bridle.places import ActivityLoss, Loss, OutputLoss, PassLoss
from bridle.places.base import Start

__all__ = ["has_penalties", "initial_state_lines", "penalty_lines"]


def has_penalties(spec: TrainingSpec) -> bool:
    """Return True if the loss has more than one part."""
    return bool(spec.recipe.at("loss"))


def penalty_lines(spec: TrainingSpec, passes: PassCode) -> list[str]:
    """Return the lines that add all penalties: on activations, outputs, second passes and parameters."""
    lines = activity_lines(spec)
    for unit in spec.recipe:
        if isinstance(unit, OutputLoss):
            penalty = call(formula(spec.script, unit), "z", keywords(spec.script, unit))
            lines += ["", *remark(unit), f"loss = loss + {penalty}"]
    for unit in spec.recipe:
        if isinstance(unit, PassLoss):
            penalty = call(formula(spec.script, unit), "z", "other", keywords(spec.script, unit))
            lines += ["", *remark(unit), *second_pass_lines(spec, passes, unit), f"loss = loss + {penalty}"]
    for unit in spec.recipe:
        if isinstance(unit, Loss):
            lines += ["", *remark(unit), *parameter_lines(spec, unit)]
    return lines


def activity_lines(spec: TrainingSpec) -> list[str]:
    """Return the lines that add the penalties which the pass has left in the network."""
    units = {type(each).__name__: each for each in spec.recipe if isinstance(each, ActivityLoss)}
    lines = []
    for name, unit in units.items():
        found = f"sum(each.penalty for each in model.modules() if isinstance(each, {name}))"
        lines += ["", *remark(unit), f"loss = loss + {found}"]
    return lines


def second_pass_lines(spec: TrainingSpec, passes: PassCode, unit: PassLoss) -> list[str]:
    """Return the lines that make the outputs of the second pass."""
    if unit.fresh_noise:
        return passes.second("other", "x", fresh=True)
    script = spec.script
    rows, shape = ("x.flatten(1)", ".view_as(x)") if spec.network.images else ("x", "")
    knobs = keywords(script, unit)
    arrays = [noise(draw, rows, 2) for draw in unit.noise]
    lines = []
    if "slope" in unit.extra_inputs:
        lines += [
            f"probe = {call(method(script, unit, type(unit).probe), rows, *arrays, knobs)}.requires_grad_()",
            *passes.second("there", f"probe{shape}"),
            f"apart = {call(formula(script, unit), 'z.detach()', 'there', knobs)}",
            "(slope,) = torch.autograd.grad(apart, probe)",
        ]
        arrays = ["slope"]
    move = method(script, unit, type(unit).move)
    if not move:
        return [*lines, *passes.second("other", "x")]
    return [*lines, f"moved = {call(move, rows, *arrays, knobs)}{shape}", *passes.second("other", "moved")]


def parameter_lines(spec: TrainingSpec, unit: Loss) -> list[str]:
    """Return the lines that add one penalty on parameters."""
    w = f"{as_matrix(spec.script)}(w)" if unit.matrix else "w"
    extra = [f"{each}[w]" for each in unit.extra_inputs]
    if unit.matrix:
        extra = [f"{as_matrix(spec.script)}({each})" for each in extra]
    lines = []
    for parameters, knobs in spec.lists.groups(unit):
        if not unit.state:
            penalty = call(formula(spec.script, unit), w, *extra, knobs)
            lines.append(f"loss = loss + sum({penalty} for w in {parameters})")
            continue
        state = f"{state_variable(unit)}[w]"
        detached = [f"{state}.{field}.detach()" for field in unit.state._fields]
        lines += [
            f"for w in {parameters}:",
            f"{INDENT}penalty, {state} = {call(formula(spec.script, unit), w, *extra, state, knobs)}",
            f"{INDENT}{state} = {packed_state(unit, detached)[0]}",
            f"{INDENT}loss = loss + penalty",
        ]
    return lines


def initial_state_lines(spec: TrainingSpec) -> list[str]:
    """Return the lines that initialize the state of penalties, by parameter."""
    lines = []
    for unit in spec.recipe:
        if isinstance(unit, Loss) and (unit.extra_inputs or unit.state):
            parameters = spec.lists.all_of(unit)
            for each in unit.extra_inputs:
                lines.append(f"{each} = {{w: w.detach().clone() for w in {parameters}}}")
            if unit.state:
                begun = packed_state(unit, (start_code(spec, each) for each in unit.state))[0]
                lines.append(f"{state_variable(unit)} = {{w: {begun} for w in {parameters}}}")
    return lines


def start_code(spec: TrainingSpec, start: Start) -> str:
    """Return the code of one field of a penalty's state for the weight ``w``, before the first step."""
    if callable(start):
        return call(copy_function(spec.script, start), f"{as_matrix(spec.script)}(w.detach())")
    return f"w.new_full((len(w), 1, 1), {start})"


def state_variable(unit: Loss) -> str:
    """Return the name of the variable with the states of a penalty, by weight: `direction` for a Direction."""
    return type(unit.state).__name__.lower()
