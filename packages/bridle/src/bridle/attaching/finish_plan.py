"""The plan of a finished model: which of the recipe's layers are folded, and where the others are placed."""

from __future__ import annotations

from dataclasses import dataclass, field
from inspect import Parameter, signature

from torch import Tensor, nn

from bridle.attaching.assembly import Assembly
from bridle.attaching.detaching import acts_in_evaluation
from bridle.attaching.folding import CONVOLUTIONS, FORWARDS, can_fold_into, is_affine, stored_weight
from bridle.attaching.layers import InsertedLayer
from bridle.attaching.model_layout import ndim_of
from bridle.attaching.module_placement import (
    Placement,
    TemporaryPlacement,
    parents_of,
)
from bridle.attaching.parameter_groups import optimized_parameters
from bridle.attaching.sample_input import SampleInput, outputs_match
from bridle.attaching.torch_layers import as_torch_module, can_fuse
from bridle.errors import InputError

__all__ = ["FinishPlan", "ModuleSide"]

UNKNOWN_NDIM = (2, 3)  # of the input of a linear layer that was not seen to run: a batch, a batch of sequences


@dataclass
class ModuleSide:
    """The recipe's layers on the input or the output of a module that act in evaluation mode, in forward order."""

    name: str
    part: nn.Module
    in_front: bool
    folded: list[InsertedLayer] = field(default_factory=list)  # from the part outwards
    kept: list[InsertedLayer] = field(default_factory=list)  # the others, in forward order
    torch_modules: list[tuple[str, nn.Module]] = field(default_factory=list)  # what these become, by name
    placement: Placement | None = None  # of these


class FinishPlan:
    """The plan of how an attached model becomes a plain one; nothing is changed in making it."""

    def __init__(self, parts: Assembly, sample: SampleInput) -> None:
        self.parts, self.model, self.optimizer, self.sample = parts, parts.model, parts.optimizer, sample
        check_single_model(parts)
        self.owned = owner_counts(self.model)
        self.held = {*optimized_parameters(self.optimizer)}
        forward = sample.run(self.model)
        self.outputs = forward[0] if forward else None
        self.shapes = {**parts.insertion.model_layout.io_shapes, **(forward[1] if forward else {})}
        self.sides = self.find_sides()
        folding = [side.part for side in self.sides if self.can_fold(side)]
        self.read = set(sample.modules_read_uncalled(self.model, list(dict.fromkeys(folding))))
        for side in self.sides:
            self.split_layers(side)
        for side in self.sides:
            if side.torch_modules:
                self.choose_placement(side)

    def find_sides(self) -> list[ModuleSide]:
        """Return the sides of modules with recipe layers that act in evaluation mode."""
        sides: dict[tuple[str, bool], ModuleSide] = {}
        for each in self.parts.insertion.inserted:
            if acts_in_evaluation(each.layer_at_site.layer):
                part = self.parts.insertion.model_layout.modules[each.part]
                side = sides.setdefault((each.part, each.on_input), ModuleSide(each.part, part, each.on_input))
                side.folded.append(each)
        return list(sides.values())

    def can_fold(self, side: ModuleSide) -> bool:
        """Return True if the module can absorb affine layers at that side."""
        weight = stored_weight(side.part)
        stored = [each for each in (weight, side.part._parameters.get("bias")) if each is not None]
        alone = all(self.owned[each] == 1 and each in self.held for each in stored)
        return alone and can_fold_into(side.part, in_front=side.in_front)

    def split_layers(self, side: ModuleSide) -> None:
        """Split the layers at a side into those that are folded and those that stay, and build the latter."""
        outwards = side.folded[::-1] if side.in_front else side.folded
        count = 0
        if side.part not in self.read and self.can_fold(side):
            while count < len(outwards) and is_affine(type(outwards[count].layer_at_site.layer)):
                count += 1
        side.folded, rest = outwards[:count], outwards[count:]
        side.kept = rest[::-1] if side.in_front else rest
        side.torch_modules = [
            (each.layer_at_site.name, as_torch_module(each, self.ndim_at(side))) for each in side.kept
        ]

    def ndim_at(self, side: ModuleSide) -> tuple[int, ...]:
        """Return the numbers of dimensions that activations there may have."""
        axes = ndim_of(side.part, self.shapes.get(side.name), on_input=side.in_front)
        return UNKNOWN_NDIM if axes is None else (axes,)

    def choose_placement(self, side: ModuleSide) -> None:
        """Choose where the layers that stay are inserted; ``ValueError`` if the model does more than call it."""
        placements = [Placement.AROUND] if self.sample.available or takes_one_tensor(side.part) else []
        if all(type(host).forward is nn.Sequential.forward for host, _ in parents_of(self.model, side.part)):
            placements.insert(0, Placement.STEP)
        side.placement = next((each for each in placements if self.is_equivalent(side, each)), None)
        if not side.placement and can_fuse(side.part) and not self.sample.bypasses_call(self.model, side.part):
            side.placement = Placement.FUSED
        if not side.placement:
            layers = ", ".join(name for name, _ in side.torch_modules)
            raise InputError(
                f"{layers} at {side.name} cannot be left in the model as a layer of torch: the model does more with "
                f"{side.name} than to call it with one tensor; put the layer into the model yourself. Meanwhile the "
                f"recipe stays attached"
            )

    def is_equivalent(self, side: ModuleSide, placement: Placement) -> bool:
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
        with TemporaryPlacement(self.model, side.part, placement, in_front=side.in_front):
            put = self.sample.run(self.model)
        return hooked is not None and put is not None and outputs_match(put[0], hooked[0])


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
