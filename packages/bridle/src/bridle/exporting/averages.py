"""Averaged weights and ensembles: a second network, or several, beside the one that trains."""

from __future__ import annotations

from bridle.exporting.calls import call, formula, remark, step_inputs, summary_of
from bridle.exporting.formulas import method_text
from bridle.exporting.knob_code import number
from bridle.exporting.spec import TrainingSpec
from bridle.exporting.wrapping import INDENT, docstring, indented
from bridle.places import Average, Ensemble

__all__ = ["average_lines", "define_ensemble", "member_lines"]


def average_lines(spec: TrainingSpec, unit: Average) -> list[str]:
    """Return the lines that average the weights after a step."""
    lines = []
    refs = [*spec.lists.refs, *([] if unit.moves_weights else spec.network.statistics)]
    groups = spec.lists.by_knobs(unit, refs)
    for knobs, chosen in groups.items():
        pairs = ", ".join(f"({ref.code.replace('model', 'average', 1)}, {ref.code})" for ref in chosen)
        made = call(formula(spec.script, unit), "a", "w", knobs, *step_inputs(unit, spec.protocol))
        lines.append(f"for a, w in {averaged_pairs(spec, unit) if len(groups) == 1 else f'[{pairs}]'}:")
        if unit.moves_weights:
            lines += indented([f"new_a, new_w = {made}", "a.copy_(new_a)", "w.copy_(new_w)"])
        else:
            lines.append(f"{INDENT}a.copy_({made}[0])")
    return [*remark(unit), "with torch.no_grad():", *indented([*lines, *copied_buffers(spec, unit)])]


def copied_buffers(spec: TrainingSpec, unit: Average) -> list[str]:
    """Return the lines that copy the state of the network which is not averaged."""
    copy = "copy_(b)  # what is not averaged is the network's own"
    if unit.moves_weights and spec.has_state:
        return ["for a, b in zip(average.buffers(), model.buffers(), strict=True):", f"{INDENT}a.{copy}"]
    if spec.has_weight_state:
        return [
            "for name, b in model.named_buffers():",
            f'{INDENT}if "parametrizations" in name:',
            f"{INDENT * 2}average.get_buffer(name).copy_(b)",
        ]
    return []


def averaged_pairs(spec: TrainingSpec, unit: Average) -> str:
    """Return the code of all pairs of an average and what it is the average of."""
    if unit.moves_weights or not spec.has_running_statistics:
        return "zip(average.parameters(), model.parameters(), strict=True)"
    statistics = "each for each in model.buffers() if each.is_floating_point()"
    if spec.has_weight_state:
        floats = 'each.is_floating_point() and "parametrizations" not in name'
        statistics = f"each for name, each in model.named_buffers() if {floats}"
    averaged = spec.script.define(
        "averaged",
        [
            "def averaged(model: nn.Module) -> list[Tensor]:",
            f'{INDENT}"""What is averaged: parameters and running statistics."""',
            f"{INDENT}statistics = [{statistics}]",
            f"{INDENT}return [*model.parameters(), *statistics]",
        ],
    )
    return f"zip({averaged}(average), {averaged}(model), strict=True)"


def define_ensemble(spec: TrainingSpec, unit: Ensemble) -> str:
    """Define the class of an ensemble; return the call that makes one."""
    name, knobs = type(unit).__name__, unit.numbers()
    together = call(formula(spec.script, unit), "torch.stack([each(x) for each in self.members])")
    methods = [method_text(spec.script, each) for each in (type(unit).takes, type(unit).warped)]
    spec.script.define(
        name,
        [
            f"class {name}(nn.Module):",
            *docstring(summary_of(unit), INDENT),
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
    return call(name, *(f"{each}={number(spec.script, value)}" for each, value in knobs.items()))


def member_lines(spec: TrainingSpec, unit: Ensemble) -> list[str]:
    """Return the lines that add a copy of the network to an ensemble, after the steps at which it takes one."""
    return [
        *remark(unit),
        "if ensemble.takes(step, steps):",
        f"{INDENT}member = {call(spec.network.define(), *spec.network.sizes)}.to(x_train)",
        f"{INDENT}member.load_state_dict(model.state_dict())",
        f"{INDENT}ensemble.members.append(member.eval())",
    ]
