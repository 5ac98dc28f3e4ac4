"""Inserts a recipe's layers, parametrizations and activity penalties into the user's model.

Everything is a submodule, registered where the model's own forward does not look and called by hooks
(Note [where submodules are registered]). So ``train()``, ``to()``, ``parameters()``, ``state_dict()``, ``deepcopy`` and
wrappers see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils import parametrize

from bridle.attaching.hooks import on_inputs, on_output, seeded_dropout
from bridle.attaching.model_layout import ModelLayout, path_to_leaf, transposed_groups
from bridle.attaching.parametrizing import check_learns, unparametrize
from bridle.attaching.pass_recorder import ActivityPenaltyModule, PassRecorder
from bridle.attaching.torch_equivalents import has_schedule, is_torch_equivalent, torch_equivalent
from bridle.errors import InputError
from bridle.module_sites import OWN_DROPOUT_STREAMS, PREFIX, WEIGHTED, ModulePath
from bridle.noise_streams import first_stream_id
from bridle.parameter_selection import Parameter, excluded_parameters, matching_parameters
from bridle.places import ActivityLoss, Layer, WeightLayer
from bridle.places.matrices import at_least_float32
from bridle.places.module import FormulaModule, LayerModule, WeightModule
from bridle.recipe import Recipe, Regularizer
from bridle.sites import LayerAtSite, Site, acts_at, check_sites, layers_at

__all__ = ["InsertedLayer", "LayerInsertion", "unused_name"]

# Note [where submodules are registered]
# The forward of a container may run through its children, as that of nn.Sequential does, and would run what is added
# to them. A part without children runs through none, so a submodule is registered at the part that it acts on if that
# has no children, else at the first part within it that has none; the hook has the path to it.


class InsertedParameter(NamedTuple):
    """A parameter of an inserted module, and the model's parameter beside it."""

    described: Parameter
    parameter: nn.Parameter
    beside: nn.Parameter | None


class InsertedLayer(NamedTuple):
    """A layer of the recipe at a module of the model, and the module that implements it."""

    part: str
    on_input: bool
    layer_at_site: LayerAtSite
    module: nn.Module


class LayerInsertion:
    """Inserts a recipe's layers into a model; ``undo`` removes them. ``seeded``: their noise is that of a seed."""

    def __init__(
        self, model_layout: ModelLayout, recipe: Recipe, recorder: PassRecorder, undo: ExitStack, *, seeded: bool
    ) -> None:
        self.model_layout, self.recipe, self.recorder = model_layout, recipe, recorder
        self.undo, self.seeded = undo, seeded
        self.scheduled_modules: list[FormulaModule] = []  # those whose knobs follow schedules
        self.new: list[InsertedParameter] = []
        self.placements: list[tuple[Regularizer, str, str]] = []  # regularizer, how it acts, and the part's name
        self.retuned: set[str] = set()  # names of the model's own dropout layers
        self.inserted: list[InsertedLayer] = []  # in the order in which they act at a part
        self.encoders: list[nn.TransformerEncoder] = []  # those whose nested tensors are off
        self.parametrized: list[tuple[nn.Module, str]] = []  # parts, and the weight's name in them

    def insert(self, weights: Mapping[Parameter, nn.Parameter]) -> None:
        """Insert parametrizations of weights, layers and activity penalties."""
        check_sites(self.recipe, self.model_layout.sites)
        for unit in self.recipe:
            if isinstance(unit, WeightLayer):
                chosen = matching_parameters(unit, list(weights))
                for each in (*excluded_parameters(unit, list(weights)), *chosen):
                    if each in chosen or fnmatchcase(each.name, unit.on):  # asked for by its name
                        self.parametrize(unit, each, weights[each])
        if self.seeded:
            self.seed_own_dropouts()
        for site in self.model_layout.sites:
            self.insert_at(site)

    def insert_at(self, site: Site) -> None:
        """Insert the layers and activity penalties of one site."""
        layers = [each for each in layers_at(self.recipe, site) if not self.retune(each)]
        penalties = [unit for unit in self.recipe if isinstance(unit, ActivityLoss) and acts_at(unit, site)]
        before = [each for each in layers if each.layer.before_activation]
        behind = [each for each in layers if not each.layer.before_activation]
        number, names = site.number, self.model_layout.layers
        if number == 0:
            self.hook(names[0], site, [*before, *penalties, *behind], on_input=True)
        elif number < len(names):
            self.hook(names[number - 1], site, before, on_input=False)
            self.hook(names[number], site, [*penalties, *behind], on_input=True)
        else:
            name = self.model_layout.other_modules[number - len(names)]
            self.hook(name, site, before, on_input=False)
            self.hook(name, site, [*penalties, *behind], on_input=False)

    def hook(self, name: str, site: Site, acting: Sequence[ActivityLoss | LayerAtSite], *, on_input: bool) -> None:
        """Hook activity penalties and layers, in the order in which they act, to the input or output of a module."""
        if not acting:
            return
        part = self.model_layout.modules[name]
        paths = []
        unit: Layer | ActivityLoss
        where = "on the input of" if on_input else "on the output of"
        for each in acting:
            if isinstance(each, ActivityLoss):
                unit, own = each, f"{type(each).__name__.lower()}_{site.number}"
                check_real(unit, name, self.reference_parameter(part))
                module: nn.Module = self.activity_penalty_module(unit, site, last=isinstance(part, nn.Linear))
            else:
                unit, own = each.layer, each.name
                module = self.layer(each, name, on_input=on_input)
                self.inserted.append(InsertedLayer(name, on_input, each, module))
            paths.append(self.register_submodule(name, own, module, unit))
            self.placements.append((unit, where, name))
        steps = tuple(paths)
        if on_input:
            handle = part.register_forward_pre_hook(partial(on_inputs, steps=steps), with_kwargs=True)
        else:
            handle = part.register_forward_hook(partial(on_output, steps=steps))
        self.undo.callback(handle.remove)
        self.disable_nested_tensors(part)

    def disable_nested_tensors(self, part: nn.Module) -> None:
        """Turn off nested tensors in torch's encoders around a module, as they bypass hooks."""
        for encoder in self.model_layout.model.modules():
            if not isinstance(encoder, nn.TransformerEncoder) or not encoder.use_nested_tensor:
                continue
            if any(each is part for each in encoder.modules()):
                self.undo.callback(setattr, encoder, "use_nested_tensor", True)
                encoder.use_nested_tensor = False
                self.encoders.append(encoder)

    def units(self, layer: Layer, name: str, *, on_input: bool) -> int:
        """Return the number of units that a layer sees; ``ValueError`` if it needs the number and it is unknown."""
        part = self.model_layout.modules[name]
        if on_input:
            assert isinstance(part, WEIGHTED)
            return int(part.in_features if isinstance(part, nn.Linear) else part.in_channels)
        units = self.model_layout.out_features(name)
        if units is None and (layer.parameters or layer.state):
            raise InputError(f"{layer!r} must know how many units {name} gives out: attach(..., example=a batch)")
        return units or 0

    def layer(self, each: LayerAtSite, name: str, *, on_input: bool) -> nn.Module:
        """Build the module of a layer: torch's own if it is equivalent, which is faster."""
        part = self.model_layout.modules[name]
        like = self.reference_parameter(part)
        check_real(each.layer, name, like)
        units, last = self.units(each.layer, name, on_input=on_input), isinstance(part, nn.Linear)
        ndim = self.model_layout.ndim_at(name, on_input=on_input)
        made = None if self.seeded else torch_equivalent(each, units, ndim, last=last)
        if made is None:
            made = LayerModule(each.layer, units, each.site.names, self.recorder.noise.draw, each.stream_id, last=last)
        return made.to(like.device, at_least_float32(like.dtype))

    def activity_penalty_module(self, unit: ActivityLoss, site: Site, *, last: bool) -> ActivityPenaltyModule:
        """Build the module of an activity penalty."""
        like = next(self.model_layout.model.parameters())
        return ActivityPenaltyModule(unit, site.names, self.recorder, last=last).to(
            like.device, at_least_float32(like.dtype)
        )

    def reference_parameter(self, part: nn.Module) -> Tensor:
        """Return a parameter with the device and dtype of a module's activations, as far as one can know."""
        return next(part.parameters(), next(self.model_layout.model.parameters()))

    def register_submodule(self, name: str, own: str, module: nn.Module, unit: Layer | ActivityLoss) -> ModulePath:
        """Register a regularizer's submodule at a module (Note [where submodules are registered]); return its path."""
        way = path_to_leaf(self.model_layout.modules[name])
        host = self.model_layout.modules[name].get_submodule(".".join(way))
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

    def retune(self, each: LayerAtSite) -> bool:
        """Set the rate of the model's own dropout layer that the recipe names; return True if that was all."""
        index = each.site.number - len(self.model_layout.layers)
        if index < 0 or each.site.hidden or each.site.number == 0:
            return False
        name = self.model_layout.other_modules[index]
        part = self.model_layout.modules[name]
        if not isinstance(part, _DropoutNd) or not is_torch_equivalent(each.layer, part):
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
        layout = self.model_layout
        dropouts = [name for name in layout.other_modules if isinstance(layout.modules[name], nn.Dropout)]
        for number, name in enumerate(dropouts):
            drop = partial(seeded_dropout, draw=self.recorder.noise.draw, stream_id=OWN_DROPOUT_STREAMS + number)
            self.undo.callback(layout.modules[name].register_forward_hook(drop).remove)

    def parametrize(self, unit: WeightLayer, described: Parameter, weight: nn.Parameter) -> None:
        """Register a weight layer as a parametrization of a weight, in all modules that share it."""
        if described.made_by:
            raise InputError(
                f"{unit!r}: {described.name} is parametrized already, by {described.made_by}; choose others by on="
            )
        owners = self.model_layout.owners[weight]
        transposed = transposed_groups(owners[0][0]) if weight.ndim > 1 else 0
        stream_id = first_stream_id(unit, described.name)
        made = WeightModule(unit, weight, described.names, self.recorder.noise.draw, stream_id, transposed=transposed)
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


def check_real(unit: Regularizer, name: str, like: Tensor) -> None:
    """Raise ``ValueError`` for a regularizer on complex activations."""
    if like.is_complex():
        raise InputError(f"{unit!r} acts on real numbers, and {name} has complex weights; choose another place by at=")


def unused_name(host: nn.Module, name: str) -> str:
    """Return a name that the host has no attribute under."""
    number, found = 1, name
    while hasattr(host, found):
        number += 1
        found = f"{name}_{number}"
    return found
