"""Finish: turn the attached model into a plain torch model with the same outputs in evaluation mode.

Parametrizations are written into the weights; norms are folded into the layers beside them where that is exact, and
become torch's own layers elsewhere. Everything is planned and built before anything is changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle.attaching.finish_plan import FinishPlan, ModuleSide
from bridle.attaching.folding import Affine, affine_of, fold
from bridle.attaching.module_placement import (
    Placement,
    disable_fast_path,
    insert_into_sequence,
    parents_of,
)
from bridle.attaching.torch_layers import fused_module, refresh_numbers
from bridle.eval_mode import eval_mode

__all__ = ["finish"]


@torch.no_grad()
def finish(plan: FinishPlan) -> nn.Module:
    """Detach the recipe and return the finished model."""
    model, optimizer, insertion = plan.model, plan.optimizer, plan.parts.insertion
    with eval_mode(model):
        parametrized = [(part, kind, getattr(part, kind).clone()) for part, kind in insertion.parametrized]
    folded = [[affine_of(each) for each in side.folded] for side in plan.sides]
    for side in plan.sides:
        for (_, made), each in zip(side.torch_modules, side.kept, strict=True):
            refresh_numbers(made, each)
    plan.parts.undo.close()
    for encoder in insertion.encoders:
        encoder.use_nested_tensor = False  # as it was evaluated
    rewritten = [write(part, kind, value) for part, kind, value in parametrized]
    added: list[AddedParameter] = []
    for side, layers in zip(plan.sides, folded, strict=True):
        rewritten += [each for each in side.part.parameters(recurse=False) if layers]
        added += finish_side(plan, side, layers)
    for parameter in rewritten:
        optimizer.state.pop(parameter, None)  # moments of what it was made of are not its own
    add_to_optimizer(optimizer, added)
    return model


def finish_side(plan: FinishPlan, side: ModuleSide, layers: Sequence[Affine]) -> list[AddedParameter]:
    """Fold and insert the layers at one side of a module; return the trained parameters that this adds."""
    beside = [each for each in side.part.parameters() if each in plan.held][:1]
    new = [(f"{side.name}.bias", fold(side.part, each, in_front=side.in_front)) for each in layers]
    insert_layers(plan.model, side)
    for name, made in side.torch_modules:
        new += [(f"{side.name}_{name}.{kind}", each) for kind, each in made.named_parameters()]
    return [AddedParameter(name, each, beside) for name, each in new if each is not None and each.requires_grad]


def insert_layers(model: nn.Module, side: ModuleSide) -> None:
    """Insert the layers that stay into the model."""
    if not side.torch_modules:
        return
    layer, others = [("layer", side.part)], side.torch_modules
    made: nn.Module = nn.Sequential(OrderedDict([*others, *layer] if side.in_front else [*layer, *others]))
    if side.placement is Placement.FUSED:
        made = fused_module(side.part, others, in_front=side.in_front)
    made.training = side.part.training
    for host, name in parents_of(model, side.part):
        if side.placement is Placement.STEP:
            insert_into_sequence(host, name, others, in_front=side.in_front)
            continue
        host._modules[name] = made
        if isinstance(host, nn.TransformerEncoderLayer):
            disable_fast_path(model, host)


def write(part: nn.Module, kind: str, value: Tensor) -> nn.Parameter:
    """Write a parametrized weight into the stored parameter."""
    weight = part.get_parameter(kind)
    weight.copy_(value)
    return weight


class AddedParameter(NamedTuple):
    """A parameter that finishing has added to the model, and parameters beside it, if any."""

    name: str
    parameter: nn.Parameter
    beside: list[nn.Parameter]


def add_to_optimizer(optimizer: Optimizer, added_parameters: Sequence[AddedParameter]) -> None:
    """Add new parameters to the optimizer's groups of those beside them."""
    for each in added_parameters:
        groups = optimizer.param_groups
        group = (
            next((group for group in groups if any(each.beside[0] is one for one in group["params"])), groups[0])
            if each.beside
            else groups[0]
        )
        group["params"].append(each.parameter)
        if "param_names" in group:
            group["param_names"].append(each.name)
