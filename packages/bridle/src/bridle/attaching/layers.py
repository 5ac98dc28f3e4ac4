"""Inserts a recipe's layers, parametrizations and activity penalties into the user's model.

Everything is a submodule, registered where the model's own forward does not look (Note [where submodules hang]),
and called by hooks. So ``train()``, ``to()``, ``parameters()``, ``state_dict()``, ``deepcopy`` and wrappers see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils import parametrize

from bridle.acting import Parameter, Site, Standing, check_sites, first_spot, selected, spared_by, standing, stands_at
from bridle.attaching.hooks import on_inputs, on_output, seeded_dropout
from bridle.attaching.model_layout import ModelLayout, Path, path_to_leaf, transposed_groups
from bridle.attaching.pass_recorder import ActivityPenaltyModule, PassRecorder
from bridle.errors import InputError
from bridle.module_sites import OWN_DROPOUT_SPOTS, PREFIX, WEIGHTED
from bridle.places import ActivityLoss, Layer, WeightLayer
from bridle.places.matrices import as_matrix, at_least_float32
from bridle.places.module import FormulaModule, LayerModule, WeightModule, is_scheduled
from bridle.recipe import Recipe

# Note [where submodules hang]
# The forward of a container may run through its children, as that of nn.Sequential does, and would run what is added
# to them. A part without children runs through none, so a submodule hangs on the part that it acts on if that has no
# children, else on the first part within it that has none; the hook knows the way down.


class InsertedParameter(NamedTuple):
    """A parameter of an inserted module, and the model's parameter beside it."""

    described: Parameter
    parameter: nn.Parameter
    beside: nn.Parameter | None


class InsertedLayer(NamedTuple):
    """A layer of the recipe at a module of the model, and the module that implements it."""

    part: str
    on_input: bool
    standing: Standing
    module: nn.Module


class LayerInsertion:
    """Inserts a recipe's layers into a model; ``undo`` removes them. ``seeded``: their noise is that of a seed."""

    def __init__(
        self, model_layout: ModelLayout, recipe: Recipe, recorder: PassRecorder, undo: ExitStack, *, seeded: bool
    ) -> None:
        self.model_layout, self.recipe, self.recorder, self.undo, self.seeded = (
            model_layout,
            recipe,
            recorder,
            undo,
            seeded,
        )
        self.scheduled_modules: list[FormulaModule] = []  # everything whose knobs move with the training
        self.new: list[InsertedParameter] = []
        self.placements: list[tuple[Any, str, str]] = []  # what acts how on which part
        self.retuned: set[str] = set()  # dropout layers of the model's own
        self.inserted: list[InsertedLayer] = []  # layers, in the order in which they act at a part
        self.slowed: list[Any] = []  # encoders of torch's that hand out no nested tensors
        self.parametrized: list[tuple[nn.Module, str]] = []  # parts, and what they call the weight

    def insert(self, weights: Mapping[Parameter, nn.Parameter]) -> None:
        """Insert parametrizations of weights, layers and activity penalties."""
        check_sites(self.recipe, self.model_layout.sites)
        for unit in self.recipe:
            if isinstance(unit, WeightLayer):
                chosen = selected(unit, list(weights))
                for each in (*spared_by(unit, list(weights)), *chosen):
                    if each in chosen or fnmatchcase(each.name, unit.on):  # asked for by its name
                        self.parametrize(unit, each, weights[each])
        if self.seeded:
            self.seed_own_dropouts()
        for site in self.model_layout.sites:
            self.insert_at(site)

    def insert_at(self, site: Site) -> None:
        """Insert the layers and activity penalties of one site."""
        layers = [each for each in standing(self.recipe, site) if not self.retune(each)]
        taps = [unit for unit in self.recipe if isinstance(unit, ActivityLoss) and stands_at(unit, site)]
        before = [each for each in layers if each.layer.before_activation]
        behind = [each for each in layers if not each.layer.before_activation]
        number, names = site.number, self.model_layout.layers
        if number == 0:
            self.hook(names[0], site, taps, [*before, *behind], on_input=True)
        elif number < len(names):
            self.hook(names[number - 1], site, [], before, on_input=False)
            self.hook(names[number], site, taps, behind, on_input=True)
        else:
            point = self.model_layout.points[number - len(names)]
            self.hook(point, site, [], before, on_input=False)
            self.hook(point, site, taps, behind, on_input=False)

    def hook(
        self, name: str, site: Site, taps: Sequence[ActivityLoss], layers: Sequence[Standing], *, on_input: bool
    ) -> None:
        """Hook activity penalties and layers to the input or output of a module."""
        if not taps and not layers:
            return
        part = self.model_layout.parts[name]
        paths = []
        for unit in taps:
            check_real(unit, name, self.like(part))
            module: nn.Module = self.tap(unit, site, last=isinstance(part, nn.Linear))
            paths.append(self.hang(name, f"{type(unit).__name__.lower()}_{site.number}", module, unit))
        for each in layers:
            module = self.layer(each, name, on_input=on_input)
            paths.append(self.hang(name, each.name, module, each.layer))
            self.inserted.append(InsertedLayer(name, on_input, each, module))
        where = "on the input of" if on_input else "on the output of"
        self.placements += [(unit, where, name) for unit in (*taps, *(each.layer for each in layers))]
        steps = tuple(paths)
        if on_input:
            handle = part.register_forward_pre_hook(partial(on_inputs, steps=steps), with_kwargs=True)
        else:
            handle = part.register_forward_hook(partial(on_output, steps=steps))
        self.undo.callback(handle.remove)
        self.slow_down(part)

    def slow_down(self, part: nn.Module) -> None:
        """Turn off nested tensors in torch's encoders around a module, as they bypass hooks."""
        encoder: Any
        for encoder in self.model_layout.model.modules():
            nests = isinstance(encoder, nn.TransformerEncoder) and encoder.use_nested_tensor
            if nests and any(each is part for each in encoder.modules()):
                self.undo.callback(setattr, encoder, "use_nested_tensor", True)
                encoder.use_nested_tensor = False
                self.slowed.append(encoder)

    def units(self, layer: Layer, name: str, *, on_input: bool) -> int:
        """Return the number of units that a layer sees; ``ValueError`` if it needs the number and it is unknown."""
        part = self.model_layout.parts[name]
        if on_input:
            assert isinstance(part, WEIGHTED)
            return int(part.in_features if isinstance(part, nn.Linear) else part.in_channels)
        units = self.model_layout.out_features(name)
        if units is None and (layer.parameters or layer.state):
            raise InputError(f"{layer!r} must know how many units {name} gives out: attach(..., example=a batch)")
        return units or 0

    def layer(self, each: Standing, name: str, *, on_input: bool) -> nn.Module:
        """Build the module of a layer: torch's own if it is equivalent, which is faster."""
        part, like = self.model_layout.parts[name], self.like(self.model_layout.parts[name])
        check_real(each.layer, name, like)
        units, last = self.units(each.layer, name, on_input=on_input), isinstance(part, nn.Linear)
        made = self.torchs_own(each, units, self.model_layout.ndim_at(name, on_input=on_input), last=last)
        if made is None:
            made = LayerModule(each.layer, units, each.site.names, self.recorder.noise.draw, each.spot, last=last)
        return made.to(like.device, at_least_float32(like.dtype))

    def torchs_own(self, each: Standing, units: int, axes: int | None, *, last: bool) -> nn.Module | None:
        """Return torch's module for a layer; ``None`` if it has no equivalent.

        Torch's modules draw torch's noise, have no schedules, and find the units on the second axis. If the number of
        dimensions is unknown, only elementwise layers are equivalent.
        """
        if self.seeded or has_schedule(each):
            return None
        numbers: dict[str, Any] = each.layer.numbers(*each.site.names)
        made = replace(each.layer, **numbers).module(units, axes or 2)
        by_number = not (each.layer.maps or each.layer.parameters or each.layer.state)
        same = axes == 2 or (axes is not None and not last) or by_number
        return made if same and not isinstance(made, LayerModule) else None

    def tap(self, unit: ActivityLoss, site: Site, *, last: bool) -> ActivityPenaltyModule:
        """Build the module of an activity penalty."""
        like = next(self.model_layout.model.parameters())
        return ActivityPenaltyModule(unit, site.names, self.recorder, last=last).to(
            like.device, at_least_float32(like.dtype)
        )

    def like(self, part: nn.Module) -> Tensor:
        """Return a parameter with the device and dtype of a module's activations, as far as one can know."""
        return next(part.parameters(), next(self.model_layout.model.parameters()))

    def hang(self, name: str, own: str, module: nn.Module, unit: Layer | ActivityLoss) -> Path:
        """Register a regularizer's submodule at a module (Note [where submodules hang]); return its path."""
        way = path_to_leaf(self.model_layout.parts[name])
        host = self.model_layout.parts[name].get_submodule(".".join(way))
        own, beside = unused_name(host, f"{PREFIX}{own}"), next(host.parameters(), None)
        host.add_module(own, module)
        module.train(host.training)
        self.undo.callback(host._modules.pop, own)
        if isinstance(module, FormulaModule):
            self.scheduled_modules.append(module)
        full = ".".join((name, *way, own))
        for kind, parameter in module.named_parameters():
            described = Parameter(f"{full}.{kind}", parameter.ndim, type(unit).__name__)
            self.new.append(InsertedParameter(described, parameter, beside))
        return (*way, own)

    def retune(self, each: Standing) -> bool:
        """Set the rate of the model's own dropout layer that the recipe names; return True if that was all."""
        index = each.site.number - len(self.model_layout.layers)
        if index < 0 or each.site.hidden or each.site.number == 0:
            return False
        name = self.model_layout.points[index]
        part = self.model_layout.parts[name]
        if not isinstance(part, _DropoutNd) or not is_torchs_own(each.layer, part):
            return False
        self.undo.callback(setattr, part, "p", part.p)
        self.retuned.add(name)
        if has_schedule(each) or self.seeded:
            # A compiled model would be compiled again for every rate, which what is added behind it spares; and torch's
            # own layer draws torch's noise.
            part.p = 0.0
            return False
        self.placements.append((each.layer, f"in place of the rate {part.p:g} of", name))
        (part.p,) = each.layer.numbers(*each.site.names).values()
        return True

    def seed_own_dropouts(self) -> None:
        """Let the model's own dropout layers draw from the seed, too."""
        own = [name for name in self.model_layout.points if isinstance(self.model_layout.parts[name], nn.Dropout)]
        for number, name in enumerate(own):
            drop = partial(seeded_dropout, draw=self.recorder.noise.draw, spot=OWN_DROPOUT_SPOTS + number)
            self.undo.callback(self.model_layout.parts[name].register_forward_hook(drop).remove)

    def parametrize(self, unit: WeightLayer, described: Parameter, weight: nn.Parameter) -> None:
        """Register a weight layer as a parametrization of a weight, in all modules that share it."""
        if described.made_by:
            raise InputError(
                f"{unit!r}: {described.name} is parametrized already, by {described.made_by}; choose others by on="
            )
        owners = self.model_layout.owners[weight]
        transposed = transposed_groups(owners[0][0]) if weight.ndim > 1 else 0
        spot = first_spot(unit, described.name)
        made = WeightModule(unit, weight, described.names, self.recorder.noise.draw, spot, transposed=transposed)
        self.scheduled_modules.append(made.to(weight.device))
        check_learns(made, described.name, weight, padding=getattr(owners[0][0], "padding_idx", None))
        for part, kind in owners:
            if not parametrize.is_parametrized(part, kind):
                self.undo.callback(unparametrize, part, kind, list(part._parameters))
                self.parametrized.append((part, kind))
            parametrize.register_parametrization(part, kind, made, unsafe=True)
        for kind, parameter in made.named_parameters():
            name = f"{described.name}@{type(unit).__name__}.{kind}"
            self.new.append(InsertedParameter(Parameter(name, 1, described.layer), parameter, weight))
        self.placements.append((unit, "on", described.name))


def check_learns(made: WeightModule, name: str, weight: nn.Parameter, *, padding: int | None) -> None:
    """Raise ``ValueError`` if a formula gives no gradient to units whose weights are all zero.

    The row ``padding`` may stay at zero.
    """
    unit, matrix = made.layer, as_matrix(weight.detach(), transposed=made.transposed)
    resting = ~matrix.flatten(1).any(1)
    if padding is not None:
        resting[padding] = False
    if not unit.parameters or not matrix.numel() or not bool(resting.any()):
        return
    with torch.enable_grad():
        subject = matrix.to(at_least_float32(matrix.dtype), copy=True).requires_grad_()
        parameters = [getattr(made, each) for each in unit.parameters]
        state = [getattr(made, each) for each in unit.state._fields]
        acting = unit.call_evaluate(subject, parameters, state, made.knobs)
        slopes = torch.autograd.grad(acting[resting].sum(), [subject, *made.parameters()], allow_unused=True)
    if not any(slope is not None and bool(slope.any()) for slope in slopes):
        raise InputError(
            f"{unit!r} cannot act on {name}, where {int(resting.sum())} of {len(matrix)} units begin at zero: its "
            f"formula gives them no gradient, so they would stay there; choose other parameters by on="
        )


def check_real(unit: Any, name: str, like: Tensor) -> None:
    """Raise ``ValueError`` for a regularizer on complex activations."""
    if like.is_complex():
        raise InputError(f"{unit!r} acts on real numbers, and {name} has complex weights; choose another place by at=")


def has_schedule(each: Standing) -> bool:
    """Return True if a knob of a layer changes during training at its site."""
    return any(is_scheduled(value, each.site.names) for value in each.layer.settings(numbers=True).values())


def unused_name(host: nn.Module, name: str) -> str:
    """Return a name that the host has no attribute under."""
    number, found = 1, name
    while hasattr(host, found):
        number += 1
        found = f"{name}_{number}"
    return found


def unparametrize(part: nn.Module, kind: str, order: Sequence[str]) -> None:
    """Remove a parametrization; the stored weight takes its old position among the parameters."""
    if not parametrize.is_parametrized(part, kind):
        return  # it has not come to that
    parametrize.remove_parametrizations(part, kind, leave_parametrized=False)
    for name in order:
        part._parameters[name] = part._parameters.pop(name)


def is_torchs_own(layer: Layer, part: nn.Module) -> bool:
    """Return True if a module of the model is torch's equivalent of this layer."""
    return any(type(type(layer)().module(1, axes)) is type(part) for axes in ((3, 4, 5) if layer.maps else (2,)))
