"""The end: the model that was evaluated stays, without the recipe and without bridle.

What acts on weights alone is written into them; norms are taken into the layers beside them where that is exact, and
become torch's own layers elsewhere. All is decided and made before anything is changed.
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
from bridle.attaching.folding import CONVOLUTIONS, FORWARDS, affine, fold, is_affine, takes_in, weight_of
from bridle.attaching.frame import axes_of
from bridle.attaching.groups import held_by
from bridle.attaching.lasting import belongs_to_network
from bridle.attaching.layers import Hanging
from bridle.attaching.replacing import AMONG, AROUND, WITHIN, Replaced, among, go_slowly, places_of
from bridle.attaching.sample import Sample, same
from bridle.attaching.torch_layers import is_written_out, plain, refill, written_out
from bridle.errors import InputError
from bridle.modes import eval_mode

UNKNOWN = (2, 3)  # axes of what passes a linear layer that nobody has seen run: a batch, a batch of sequences


@dataclass
class Side:
    """What stands on the input or the output of a part and does not rest in evaluation, in the order of the pass."""

    name: str
    part: nn.Module
    in_front: bool
    folded: list[Hanging] = field(default_factory=list)  # from the part outwards
    stays: list[Hanging] = field(default_factory=list)  # the others, in the order of the pass
    left: list[tuple[str, nn.Module]] = field(default_factory=list)  # what these become, by name
    way: str = ""  # how these are put into the model


class Ending:
    """The way from an attached model to the finished one: decided when made, taken by :meth:`take`."""

    def __init__(self, parts: Assembly, sample: Sample) -> None:
        self.parts, self.model, self.optimizer, self.sample = parts, parts.model, parts.optimizer, sample
        check_one(parts)
        self.owned = owners_of(self.model)
        self.held = {*held_by(self.optimizer)}
        done = sample.run(self.model)
        self.outputs = done[0] if done else None
        self.shapes = {**parts.insertion.frame.seen, **(done[1] if done else {})}
        self.sides = self.standing()
        folding = [side.part for side in self.sides if self.can_fold(side)]
        self.read = set(sample.read_past(self.model, list(dict.fromkeys(folding))))
        for side in self.sides:
            self.sort(side)
        for side in self.sides:
            if side.left:
                self.place(side)

    def standing(self) -> list[Side]:
        """The sides of parts at which layers stand that belong to the network."""
        found: dict[tuple[str, bool], Side] = {}
        for each in self.parts.insertion.hanging:
            if belongs_to_network(each.standing.layer):
                part = self.parts.insertion.frame.parts[each.part]
                side = found.setdefault((each.part, each.on_input), Side(each.part, part, each.on_input))
                side.folded.append(each)
        return list(found.values())

    def can_fold(self, side: Side) -> bool:
        """Whether the part may take in what stands at that side of it."""
        weight = weight_of(side.part)
        stored = [each for each in (weight, side.part._parameters.get("bias")) if each is not None]
        alone = all(self.owned[each] == 1 and each in self.held for each in stored)
        return alone and takes_in(side.part, in_front=side.in_front)

    def sort(self, side: Side) -> None:
        """Tell the layers that the part takes in from those that stay, and make the latter."""
        outwards = side.folded[::-1] if side.in_front else side.folded
        count = 0
        if side.part not in self.read and self.can_fold(side):
            while count < len(outwards) and is_affine(type(outwards[count].standing.layer)):
                count += 1
        side.folded, rest = outwards[:count], outwards[count:]
        side.stays = rest[::-1] if side.in_front else rest
        side.left = [(each.standing.name, plain(each, self.axes_at(side))) for each in side.stays]

    def axes_at(self, side: Side) -> tuple[int, ...]:
        """How many axes what passes there may have."""
        axes = axes_of(side.part, self.shapes.get(side.name), on_input=side.in_front)
        return UNKNOWN if axes is None else (axes,)

    def place(self, side: Side) -> None:
        """Choose how what stays is put into the model; ``ValueError`` where it does more with the part than call it."""
        ways = [AROUND] if self.sample.given or takes_one_tensor(side.part) else []
        if all(type(host).forward is nn.Sequential.forward for host, _ in places_of(self.model, side.part)):
            ways.insert(0, AMONG)
        found = next((way for way in ways if self.fits(side, way)), "")
        if not found and is_written_out(side.part) and not self.sample.goes_past(self.model, side.part):
            found = WITHIN
        if not found:
            layers = ", ".join(name for name, _ in side.left)
            raise InputError(
                f"{layers} at {side.name} cannot be left in the model as a layer of torch: the model does more with "
                f"{side.name} than to call it with one tensor; put the layer into the model yourself. Meanwhile the "
                f"recipe stays attached"
            )
        side.way = found

    def fits(self, side: Side, way: str) -> bool:
        """Whether the model does the same with a layer put beside a part as with one in a hook; tried with a sine."""
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
        with Replaced(self.model, side.part, way, in_front=side.in_front):
            put = self.sample.run(self.model)
        return hooked is not None and put is not None and same(put[0], hooked[0])

    @torch.no_grad()
    def take(self) -> nn.Module:
        """End the recipe, and leave the model that it has made."""
        model, optimizer = self.model, self.optimizer
        with eval_mode(model):
            baked = [(part, kind, getattr(part, kind).clone()) for part, kind in self.parts.insertion.parametrized]
        folded = [[affine(each) for each in side.folded] for side in self.sides]
        for side in self.sides:
            for (_, made), each in zip(side.left, side.stays, strict=True):
                refill(made, each)
        self.parts.undo.close()
        for encoder in self.parts.insertion.slowed:
            encoder.use_nested_tensor = False  # as it was evaluated
        changed = [write(part, kind, value) for part, kind, value in baked]
        new: list[New] = []
        for side, layers in zip(self.sides, folded, strict=True):
            near = [each for each in side.part.parameters() if each in self.held]
            born = [(f"{side.name}.bias", fold(side.part, each, in_front=side.in_front)) for each in layers]
            changed += [each for each in side.part.parameters(recurse=False) if layers]
            self.leave(side)
            born += [
                (f"{side.name}_{name}.{kind}", each) for name, own in side.left for kind, each in own.named_parameters()
            ]
            new += [New(name, each, near[:1]) for name, each in born if each is not None and each.requires_grad]
        for rewritten in changed:
            optimizer.state.pop(rewritten, None)  # moments of what it was made of are not its own
        join(optimizer, new)
        return model

    def leave(self, side: Side) -> None:
        """Put what stays into the model."""
        if not side.left:
            return
        own = [("layer", side.part)]
        around = nn.Sequential(OrderedDict([*side.left, *own] if side.in_front else [*own, *side.left]))
        made = written_out(side.part, side.left, in_front=side.in_front) if side.way == WITHIN else around
        made.training = side.part.training
        for host, name in [each for each in places_of(self.model, side.part) if each[0] is not around]:
            if side.way == AMONG:
                among(host, name, side.left, in_front=side.in_front)
                continue
            host._modules[name] = made
            if isinstance(host, nn.TransformerEncoderLayer):
                go_slowly(self.model, host)


def check_one(parts: Assembly) -> None:
    """Raise ``ValueError`` for an ensemble."""
    for copies in parts.copies:
        if copies.copies:
            raise InputError(
                f"{copies.unit!r} has {len(copies.copies)} networks that predict together, and a model is one: predict "
                f"within handle.averaged(), or let handle.detach(discard=True) leave the last one alone"
            )


def owners_of(model: nn.Module) -> dict[Tensor, int]:
    """How many parts of the model each parameter belongs to."""
    counts: dict[Tensor, int] = {}
    for part in model.modules():
        for _, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
            counts[parameter] = counts.get(parameter, 0) + 1
    return counts


def takes_one_tensor(part: nn.Module) -> bool:
    """Whether a part's forward takes one tensor and nothing else."""
    takes = signature(type(part).forward).parameters.values()
    return type(part).forward in FORWARDS[: 1 + len(CONVOLUTIONS)] or (
        len(takes) == 2 and all(each.kind is Parameter.POSITIONAL_OR_KEYWORD for each in takes)
    )


def write(part: nn.Module, kind: str, value: Tensor) -> nn.Parameter:
    """Write into a weight what was made of it."""
    weight = part.get_parameter(kind)
    weight.copy_(value)
    return weight


class New(NamedTuple):
    """A parameter that the finished model has more than that of the user, and one beside which it stands, if any."""

    name: str
    parameter: nn.Parameter
    beside: list[nn.Parameter]


def join(optimizer: Optimizer, new: Sequence[New]) -> None:
    """Let the optimizer train new parameters in the groups of those beside them."""
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
