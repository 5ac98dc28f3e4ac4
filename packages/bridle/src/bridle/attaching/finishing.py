"""Finish: turn the attached model into a plain torch model with the same outputs in evaluation mode.

Parametrizations are written into the weights; norms are folded into the layers beside them where that is exact, and
become torch's own layers elsewhere. Everything is planned and built before anything is changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle.attaching.assembly import Assembly
from bridle.attaching.detaching import acts_in_evaluation
from bridle.attaching.folding import CONVOLUTIONS, FORWARDS, affine_of, can_fold_into, fold, is_affine, stored_weight
from bridle.attaching.layers import InsertedLayer
from bridle.attaching.model_layout import ndim_of
from bridle.attaching.module_placement import (
    AMONG,
    AROUND,
    WITHIN,
    TemporaryPlacement,
    disable_fast_path,
    insert_into_sequence,
    parents_of,
)
from bridle.attaching.parameter_groups import optimized_parameters
from bridle.attaching.sample_input import SampleInput, outputs_match
from bridle.attaching.torch_layers import as_torch_module, can_fuse, fused_module, refresh_numbers
from bridle.errors import InputError
from bridle.modes import eval_mode

UNKNOWN = (2, 3)  # axes of what passes a linear layer that nobody has seen run: a batch, a batch of sequences


@dataclass
class ModuleSide:
    """The recipe's layers on the input or the output of a module that act in evaluation mode, in forward order."""

    name: str
    part: nn.Module
    in_front: bool
    folded: list[InsertedLayer] = field(default_factory=list)  # from the part outwards
    stays: list[InsertedLayer] = field(default_factory=list)  # the others, in the order of the pass
    left: list[tuple[str, nn.Module]] = field(default_factory=list)  # what these become, by name
    way: str = ""  # how these are put into the model


class Finisher:
    """Plans, when made, how the attached model becomes a plain one; :meth:`take` carries it out."""

    def __init__(self, parts: Assembly, sample: SampleInput) -> None:
        self.parts, self.model, self.optimizer, self.sample = parts, parts.model, parts.optimizer, sample
        check_single_model(parts)
        self.owned = owner_counts(self.model)
        self.held = {*optimized_parameters(self.optimizer)}
        done = sample.run(self.model)
        self.outputs = done[0] if done else None
        self.shapes = {**parts.insertion.model_layout.seen, **(done[1] if done else {})}
        self.sides = self.standing()
        folding = [side.part for side in self.sides if self.can_fold(side)]
        self.read = set(sample.modules_read_uncalled(self.model, list(dict.fromkeys(folding))))
        for side in self.sides:
            self.sort(side)
        for side in self.sides:
            if side.left:
                self.place(side)

    def standing(self) -> list[ModuleSide]:
        """Return the sides of modules with recipe layers that act in evaluation mode."""
        found: dict[tuple[str, bool], ModuleSide] = {}
        for each in self.parts.insertion.inserted:
            if acts_in_evaluation(each.standing.layer):
                part = self.parts.insertion.model_layout.parts[each.part]
                side = found.setdefault((each.part, each.on_input), ModuleSide(each.part, part, each.on_input))
                side.folded.append(each)
        return list(found.values())

    def can_fold(self, side: ModuleSide) -> bool:
        """Return True if the module can absorb affine layers at that side."""
        weight = stored_weight(side.part)
        stored = [each for each in (weight, side.part._parameters.get("bias")) if each is not None]
        alone = all(self.owned[each] == 1 and each in self.held for each in stored)
        return alone and can_fold_into(side.part, in_front=side.in_front)

    def sort(self, side: ModuleSide) -> None:
        """Split the layers at a side into those that are folded and those that stay, and build the latter."""
        outwards = side.folded[::-1] if side.in_front else side.folded
        count = 0
        if side.part not in self.read and self.can_fold(side):
            while count < len(outwards) and is_affine(type(outwards[count].standing.layer)):
                count += 1
        side.folded, rest = outwards[:count], outwards[count:]
        side.stays = rest[::-1] if side.in_front else rest
        side.left = [(each.standing.name, as_torch_module(each, self.ndim_at(side))) for each in side.stays]

    def ndim_at(self, side: ModuleSide) -> tuple[int, ...]:
        """Return the numbers of dimensions that activations there may have."""
        axes = ndim_of(side.part, self.shapes.get(side.name), on_input=side.in_front)
        return UNKNOWN if axes is None else (axes,)

    def place(self, side: ModuleSide) -> None:
        """Choose where the layers that stay are inserted; ``ValueError`` if the model does more than call it."""
        ways = [AROUND] if self.sample.given or takes_one_tensor(side.part) else []
        if all(type(host).forward is nn.Sequential.forward for host, _ in parents_of(self.model, side.part)):
            ways.insert(0, AMONG)
        found = next((way for way in ways if self.fits(side, way)), "")
        if not found and can_fuse(side.part) and not self.sample.bypasses_call(self.model, side.part):
            found = WITHIN
        if not found:
            layers = ", ".join(name for name, _ in side.left)
            raise InputError(
                f"{layers} at {side.name} cannot be left in the model as a layer of torch: the model does more with "
                f"{side.name} than to call it with one tensor; put the layer into the model yourself. Meanwhile the "
                f"recipe stays attached"
            )
        side.way = found

    def fits(self, side: ModuleSide, way: str) -> bool:
        """Return True if a module inserted there acts as one in a hook, tried with a sine."""
        if self.outputs is None:
            return True
        if side.in_front:
            hook = side.part.register_forward_pre_hook(lambda part, args: (args[0].sin(), *args[1:]), prepend=True)
        else:
            hook = side.part.register_forward_hook(lambda part, args, out: out.sin())
        try:
            hooked = self.sample.run(self.model)
        finally:
            hook.remove()
        with TemporaryPlacement(self.model, side.part, way, in_front=side.in_front):
            put = self.sample.run(self.model)
        return hooked is not None and put is not None and outputs_match(put[0], hooked[0])

    @torch.no_grad()
    def take(self) -> nn.Module:
        """Detach the recipe and return the finished model."""
        model, optimizer = self.model, self.optimizer
        with eval_mode(model):
            baked = [(part, kind, getattr(part, kind).clone()) for part, kind in self.parts.insertion.parametrized]
        folded = [[affine_of(each) for each in side.folded] for side in self.sides]
        for side in self.sides:
            for (_, made), each in zip(side.left, side.stays, strict=True):
                refresh_numbers(made, each)
        self.parts.undo.close()
        for encoder in self.parts.insertion.slowed:
            encoder.use_nested_tensor = False  # as it was evaluated
        changed = [write(part, kind, value) for part, kind, value in baked]
        new: list[AddedParameter] = []
        for side, layers in zip(self.sides, folded, strict=True):
            near = [each for each in side.part.parameters() if each in self.held]
            born = [(f"{side.name}.bias", fold(side.part, each, in_front=side.in_front)) for each in layers]
            changed += [each for each in side.part.parameters(recurse=False) if layers]
            self.leave(side)
            born += [
                (f"{side.name}_{name}.{kind}", each) for name, own in side.left for kind, each in own.named_parameters()
            ]
            new += [
                AddedParameter(name, each, near[:1]) for name, each in born if each is not None and each.requires_grad
            ]
        for rewritten in changed:
            optimizer.state.pop(rewritten, None)  # moments of what it was made of are not its own
        add_to_optimizer(optimizer, new)
        return model

    def leave(self, side: ModuleSide) -> None:
        """Insert the layers that stay into the model."""
        if not side.left:
            return
        own = [("layer", side.part)]
        around = nn.Sequential(OrderedDict([*side.left, *own] if side.in_front else [*own, *side.left]))
        made = fused_module(side.part, side.left, in_front=side.in_front) if side.way == WITHIN else around
        made.training = side.part.training
        for host, name in [each for each in parents_of(self.model, side.part) if each[0] is not around]:
            if side.way == AMONG:
                insert_into_sequence(host, name, side.left, in_front=side.in_front)
                continue
            host._modules[name] = made
            if isinstance(host, nn.TransformerEncoderLayer):
                disable_fast_path(self.model, host)


def check_single_model(parts: Assembly) -> None:
    """Raise ``ValueError`` for an ensemble, which is several models."""
    for each in parts.ensembles:
        if each.snapshots:
            raise InputError(
                f"{each.unit!r} has {len(each.snapshots)} networks that predict together, and a model is one: predict "
                f"within handle.averaged(), or let handle.detach(discard=True) leave the last one alone"
            )


def owner_counts(model: nn.Module) -> dict[Tensor, int]:
    """Count the modules that own each parameter."""
    counts: dict[Tensor, int] = {}
    for part in model.modules():
        for _, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
            counts[parameter] = counts.get(parameter, 0) + 1
    return counts


def takes_one_tensor(part: nn.Module) -> bool:
    """Return True if a module's forward takes one tensor and nothing else."""
    takes = signature(type(part).forward).parameters.values()
    return type(part).forward in FORWARDS[: 1 + len(CONVOLUTIONS)] or (
        len(takes) == 2 and all(each.kind is Parameter.POSITIONAL_OR_KEYWORD for each in takes)
    )


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


def add_to_optimizer(optimizer: Optimizer, new: Sequence[AddedParameter]) -> None:
    """Add new parameters to the optimizer's groups of those beside them."""
    for each in new:
        groups = optimizer.param_groups
        group = (
            next((group for group in groups if any(each.beside[0] is one for one in group["params"])), groups[0])
            if each.beside
            else groups[0]
        )
        group["params"].append(each.parameter)
        if "param_names" in group:
            group["param_names"].append(each.name)
