"""The network of a recipe as code: the description's own layers, with those of the recipe between them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from bridle import networks
from bridle.exporting.formulas import copy_definition
from bridle.exporting.knob_code import is_moving
from bridle.exporting.module_tree import (
    BRANCH,
    ModuleNode,
    PlacedUnit,
    SequenceNode,
    module_code,
    unique_name,
)
from bridle.exporting.modules import constructor, define_activity, define_layer
from bridle.exporting.parametrizations import ParametrizationCode
from bridle.exporting.script import Script
from bridle.exporting.sizes import NamedSize, constructor_call, is_torchs_own
from bridle.exporting.source import module_source
from bridle.exporting.wrapping import INDENT, indented
from bridle.module_sites import PREFIX, WEIGHTED, ModulePath, find_sites, trace_shapes
from bridle.networks import MLP, ConvNet, DescribedNetwork, Residual
from bridle.places import ActivityLoss, Layer, WeightLayer
from bridle.places.base import Placed
from bridle.recipe import Recipe
from bridle.sites import LayerAtSite, Site, acts_at, check_sites, hidden_site, input_site, layers_at

__all__ = ["NetworkCode"]

ROWS = 2  # of the batch that is sent through a network to see its shapes
DIGITS = {"channels": 1, "height": 8, "width": 8, "inputs": 64, "outputs": 10}  # scikit-learn's, as an example


class NetworkCode:
    """One network with one recipe's layers, as code.

    ``refs`` are its parameters, ``statistics`` its buffers, ``placed_units`` the regularizers in it that have knobs.
    """

    def __init__(self, description: MLP | DescribedNetwork, recipe: Recipe, script: Script) -> None:
        self.description, self.recipe, self.script = description, recipe, script
        self.is_mlp, self.images = isinstance(description, MLP), isinstance(description, ConvNet)
        names = ("channels", "height", "width") if self.images else ("inputs",)
        self.sizes = {name: NamedSize(DIGITS[name], name) for name in (*names, "outputs")}
        self.placed_units: list[PlacedUnit] = []
        self.layer_classes: dict[type[Placed], tuple[Layer | ActivityLoss, set[int]]] = {}  # to write, with their axes
        with torch.device("meta"):  # nothing is drawn and nothing computed
            self.module = self.build_plain()
            row = list(self.sizes.values())[:-1]
            _, self.shapes = trace_shapes(self.module, lambda: self.module(torch.empty(ROWS, *row)))
            self.layers = [name for name in self.shapes if isinstance(self.module.get_submodule(name), WEIGHTED)]
            self.root = self.tree_of(self.module)
            self.place_layers()
        self.define_layer_classes()
        parameters, self.statistics = self.root.parameters(), self.root.statistics()
        self.parametrizations = ParametrizationCode(script)
        for unit in recipe:
            if isinstance(unit, WeightLayer):
                self.parametrizations.add(unit, parameters)
        self.placed_units += self.parametrizations.placed
        self.refs = [each for ref in parameters for each in self.parametrizations.stored(ref)]

    def build_plain(self) -> nn.Sequential:
        """Build the network without the recipe's layers."""
        *row, outputs = self.sizes.values()
        if isinstance(self.description, MLP):
            return self.description.build(row[0], outputs)
        return self.description.build(tuple(row), outputs)

    def tree_of(self, module: nn.Module, path: ModulePath = ()) -> SequenceNode:
        """Return a sequence of modules as a tree of the code that makes them."""
        parts: dict[str, ModuleNode | SequenceNode] = {}
        for name, part in module.named_children():
            if isinstance(part, Residual):
                copy_definition(self.script, module_source(networks), "Residual")
                parts[name] = SequenceNode(self.tree_of(part.branch, (*path, name, BRANCH)).parts, residual=True)
            else:
                axes = {kind: parameter.ndim for kind, parameter in part.named_parameters()}
                code = constructor_call(part, self.sizes)
                parts[name] = ModuleNode(code, ".".join((*path, name)), type(part).__name__, axes)
        return SequenceNode(parts)

    def place_layers(self) -> None:
        """Put the recipe's layers and penalties on activations between the network's own modules."""
        sites = self.sites()
        check_sites(self.recipe, sites)
        for site in sites:
            self.place_at(site)

    def sites(self) -> list[Site]:
        """Return the sites of layers, as the engine sees them."""
        if not self.is_mlp:
            return find_sites(self.module, self.layers, self.named_modules_only)
        hidden = [hidden_site(number, name, "Linear") for number, name in enumerate(self.layers[:-1], start=1)]
        return [input_site(), *hidden]

    @property
    def named_modules_only(self) -> list[str]:
        """The modules that only a name reaches."""
        return [name for name in self.shapes if name not in self.layers]

    def place_at(self, site: Site) -> None:
        """Put the recipe's layers and penalties on activations at one site."""
        layers = layers_at(self.recipe, site)
        before = [each for each in layers if each.layer.before_activation]
        behind = [each for each in layers if not each.layer.before_activation]
        penalties = [each for each in self.recipe if isinstance(each, ActivityLoss) and acts_at(each, site)]
        if site.number == 0:
            self.insert(self.layers[0], site, [*before, *penalties, *behind], behind=False)
        elif site.number < len(self.layers):
            self.insert(self.layers[site.number - 1], site, before, behind=True)
            self.insert(self.layers[site.number], site, [*penalties, *behind], behind=False)
        else:
            point = self.named_modules_only[site.number - len(self.layers)]
            self.insert(point, site, [*before, *penalties, *behind], behind=True)

    def insert(self, name: str, site: Site, added: Sequence[LayerAtSite | ActivityLoss], *, behind: bool) -> None:
        """Insert modules before or behind a part."""
        *way, last = name.split(".")
        sequence = self.root.sequence_at(way)
        if last == BRANCH:
            way, last = [*way, last], list(sequence.parts)[-1]
        units, axes = self.activations(name, behind=behind)
        modules: dict[str, ModuleNode] = {}
        for each in added:
            unit = each.layer if isinstance(each, LayerAtSite) else each
            own = each.name if isinstance(each, LayerAtSite) else unique_name(modules, f"penalty{site.number}")
            modules[own] = self.node(unit, site, own, units, axes)
            self.placed_units.append(PlacedUnit(unit, site.names, module_code((*way, own))))
        sequence.insert(last, modules, behind=behind)

    def activations(self, name: str, *, behind: bool) -> tuple[int, int]:
        """Return the number of units and of axes of the activations before or behind a part."""
        part, shapes = self.module.get_submodule(name), self.shapes[name]
        if behind:
            return shapes.out[1], len(shapes.out)
        units = part.in_features if isinstance(part, nn.Linear) else part.in_channels
        assert isinstance(units, int)
        return units, len(shapes.into)

    def node(self, unit: Layer | ActivityLoss, site: Site, name: str, units: int, axes: int) -> ModuleNode:
        """Return the module of a layer: torch's own where that is the same and its knobs rest, else one to write."""
        learned = dict.fromkeys(unit.parameters, 1)
        called, kind = f"{'' if self.is_mlp else PREFIX}{name}", type(unit).__name__
        state = unit.state._fields
        if isinstance(unit, Layer) and not is_moving(unit, site.names):
            module = unit.at_moment(*site.names).make_module(units, axes)
            if is_torchs_own(module):
                return ModuleNode(constructor_call(module, self.sizes), called, kind, learned, state)
        _, known = self.layer_classes.setdefault(type(unit), (unit, set()))
        known.add(axes)
        return ModuleNode(constructor(self.script, unit, site.names, repr(units)), called, kind, learned, state)

    def define_layer_classes(self) -> None:
        """Define the classes of the layers that torch does not have, for all numbers of axes that occur."""
        for unit, axes in self.layer_classes.values():
            if isinstance(unit, Layer):
                define_layer(self.script, unit, axes)
            else:
                define_activity(self.script, unit, axes)

    def define(self) -> str:
        """Define the function that builds the network; return its name."""
        arguments = ", ".join(f"{name}: int" for name in self.sizes)
        first, *others = self.root.lines()
        registering = self.parametrizations.lines()
        ending = [*registering, "return model"] if registering else []
        lines = [f"{'model =' if registering else 'return'} {first}", *others, *ending]
        layers = " with the recipe's layers" * bool(self.placed_units)
        begin = [f"def build({arguments}) -> nn.Sequential:", f'{INDENT}"""{self.description}{layers}."""']
        return self.script.define("build", [*begin, *indented(lines)])
