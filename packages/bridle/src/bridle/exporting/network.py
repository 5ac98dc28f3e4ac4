"""The network of a recipe as code: the description's own layers, with those of the recipe between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from bridle import networks
from bridle.acting import Parameter, Site, Standing, check_sites, hidden_site, input_site, selected, standing, stands_at
from bridle.exporting.formulas import copy_definition
from bridle.exporting.knob_code import is_moving
from bridle.exporting.modules import constructor, define_activity, define_layer, define_weight_layer, is_per_output
from bridle.exporting.script import Script
from bridle.exporting.sizes import NamedSize, is_torchs_own
from bridle.exporting.sizes import constructor as torchs_own
from bridle.exporting.source import module_source
from bridle.exporting.wrapping import INDENT, indented
from bridle.module_sites import PREFIX, WEIGHTED, find_sites, trace_shapes
from bridle.networks import MLP, ConvNet, DescribedNetwork, Residual
from bridle.places import ActivityLoss, Layer, WeightLayer
from bridle.places.declare import Placed
from bridle.recipe import Recipe

ROWS = 2  # of the batch that is sent through a network to see its shapes
DIGITS = {"channels": 1, "height": 8, "width": 8, "inputs": 64, "outputs": 10}  # scikit-learn's, as an example
Path = tuple[str, ...]  # the way down to a part


class ModuleNode(NamedTuple):
    """One module: the code that makes it, what bridle calls it, its type as ``on`` sees it, its parameters' axes."""

    code: str
    name: str
    kind: str
    parameters: Mapping[str, int]
    statistics: tuple[str, ...] = ()  # what it remembers


@dataclass
class SequenceNode:
    """Parts that act one after the other; with ``residual`` their result is added to what came in."""

    parts: dict[str, ModuleNode | SequenceNode]
    residual: bool = False

    def insert(self, name: str, added: dict[str, ModuleNode], *, behind: bool) -> None:
        """Put parts before or behind one of them."""
        known = list(self.parts.items())
        at = list(self.parts).index(name) + behind
        self.parts = dict([*known[:at], *added.items(), *known[at:]])

    def leaves(self, path: Path = ()) -> Iterator[tuple[Path, ModuleNode]]:
        """All modules with the way down to each, in order."""
        for name, part in self.parts.items():
            if isinstance(part, SequenceNode):
                yield from part.leaves((*path, name, "branch") if part.residual else (*path, name))
            else:
                yield (*path, name), part

    def lines(self) -> list[str]:
        """The code that makes it."""
        inner = []
        for name, part in self.parts.items():
            first, *rest = part.lines() if isinstance(part, SequenceNode) else [part.code]
            inner += [f"{name}={first}", *rest]
            inner[-1] += ","
        chain = ["nn.Sequential(", f"{INDENT}OrderedDict(", *indented(inner, 2), f"{INDENT})", ")"]
        return ["Residual(", *indented(chain), ")"] if self.residual else chain


class ParameterRef(NamedTuple):
    """A parameter: as ``on`` sees it, how many axes it has as it is stored, and its place in the script."""

    described: Parameter
    axes: int
    code: str


class PlacedUnit(NamedTuple):
    """Something of the recipe's that has knobs of its own in the network, and its place in the script."""

    unit: Layer | WeightLayer | ActivityLoss
    names: tuple[str, ...]
    code: str


class NetworkCode:
    """One network with one recipe's layers, as code.

    ``refs`` are its parameters, ``placed_units`` have knobs, ``through`` are the formulas by the code of their weights.
    """

    def __init__(self, description: MLP | DescribedNetwork, recipe: Recipe, script: Script) -> None:
        self.description, self.recipe, self.script = description, recipe, script
        self.is_mlp, self.images = isinstance(description, MLP), isinstance(description, ConvNet)
        names = ("channels", "height", "width") if self.images else ("inputs",)
        self.sizes = {name: NamedSize(DIGITS[name], name) for name in (*names, "outputs")}
        self.placed_units: list[PlacedUnit] = []
        self.shown: dict[type[Placed], tuple[Layer | ActivityLoss, set[int]]] = {}  # whose class is written, with axes
        with torch.device("meta"):  # nothing is drawn and nothing computed
            self.module = self.built()
            row = list(self.sizes.values())[:-1]
            _, self.seen = trace_shapes(self.module, lambda: self.module(torch.empty(ROWS, *row)))
            self.layers = [name for name in self.seen if isinstance(self.part(name), WEIGHTED)]
            self.root = self.chain(self.module)
            sites = self.sites()
            check_sites(recipe, sites)
            for site in sites:
                self.place(site)
        for shown, axes in self.shown.values():
            if isinstance(shown, Layer):
                define_layer(script, shown, axes)
            else:
                define_activity(script, shown, axes)
        self.refs = [
            ParameterRef(Parameter(f"{node.name}.{kind}", axes, node.kind), axes, f"{code_of(path)}.{kind}")
            for path, node in self.root.leaves()
            for kind, axes in node.parameters.items()
        ]
        self.statistics = [
            ParameterRef(Parameter(f"{node.name}.{kind}", 1), 1, f"{code_of(path)}.{kind}")
            for path, node in self.root.leaves()
            for kind in node.statistics
        ]
        self.through: dict[ParameterRef, list[WeightLayer]] = {}
        for unit in recipe:
            if isinstance(unit, WeightLayer):
                self.parametrize(unit)
        self.refs = [each for ref in self.refs for each in self.stored(ref)]

    def built(self) -> nn.Sequential:
        """The network without the recipe's layers."""
        *row, outputs = self.sizes.values()
        if isinstance(self.description, MLP):
            return self.description.build(row[0], outputs)
        return self.description.build(tuple(row), outputs)

    def part(self, name: str) -> nn.Module:
        """A part of the network."""
        return self.module.get_submodule(name)

    def sites(self) -> list[Site]:
        """Return the sites of layers, as the engine sees them."""
        if not self.is_mlp:
            return find_sites(self.module, self.layers, self.named_modules_only)
        hidden = [hidden_site(number, name, "Linear") for number, name in enumerate(self.layers[:-1], start=1)]
        return [input_site(), *hidden]

    @property
    def named_modules_only(self) -> list[str]:
        """The parts that only a name reaches."""
        return [name for name in self.seen if name not in self.layers]

    def chain(self, module: nn.Module, path: Path = ()) -> SequenceNode:
        """A sequence of modules as code."""
        parts: dict[str, ModuleNode | SequenceNode] = {}
        for name, part in module.named_children():
            if isinstance(part, Residual):
                copy_definition(self.script, module_source(networks), "Residual")
                parts[name] = SequenceNode(self.chain(part.branch, (*path, name, "branch")).parts, residual=True)
            else:
                axes = {kind: parameter.ndim for kind, parameter in part.named_parameters()}
                code = torchs_own(part, self.sizes)
                parts[name] = ModuleNode(code, ".".join((*path, name)), type(part).__name__, axes)
        return SequenceNode(parts)

    def place(self, site: Site) -> None:
        """Put the recipe's layers and penalties on activations at a site between the network's own parts."""
        layers = standing(self.recipe, site)
        before = [each for each in layers if each.layer.before_activation]
        behind = [each for each in layers if not each.layer.before_activation]
        taps = [each for each in self.recipe if isinstance(each, ActivityLoss) and stands_at(each, site)]
        if site.number == 0:
            self.insert(self.layers[0], site, [*before, *taps, *behind], behind=False)
        elif site.number < len(self.layers):
            self.insert(self.layers[site.number - 1], site, before, behind=True)
            self.insert(self.layers[site.number], site, [*taps, *behind], behind=False)
        else:
            point = self.named_modules_only[site.number - len(self.layers)]
            self.insert(point, site, [*before, *taps, *behind], behind=True)

    def insert(self, name: str, site: Site, added: Sequence[Standing | ActivityLoss], *, behind: bool) -> None:
        """Put modules before or behind a part."""
        *way, last = name.split(".")
        chain = self.root
        for step in way:
            if step != "branch":  # a residual branch is a chain itself
                inner = chain.parts[step]
                assert isinstance(inner, SequenceNode)
                chain = inner
        if last == "branch":
            way, last = [*way, last], list(chain.parts)[-1]
        part, shapes = self.part(name), self.seen[name]
        axes = len(shapes.out if behind else shapes.into)
        units = shapes.out[1] if behind else part.in_features if isinstance(part, nn.Linear) else part.in_channels
        assert isinstance(units, int)
        modules: dict[str, ModuleNode] = {}
        for each in added:
            unit = each.layer if isinstance(each, Standing) else each
            own = each.name if isinstance(each, Standing) else unique_name(modules, f"penalty{site.number}")
            modules[own] = self.node(unit, site, own, units, axes)
            self.placed_units.append(PlacedUnit(unit, site.names, code_of((*way, own))))
        chain.insert(last, modules, behind=behind)

    def node(self, unit: Layer | ActivityLoss, site: Site, name: str, units: int, axes: int) -> ModuleNode:
        """The module of a layer: torch's own where that is the same and its knobs rest, else one that is written."""
        learned = dict.fromkeys(unit.parameters, 1)
        called, kind = f"{'' if self.is_mlp else PREFIX}{name}", type(unit).__name__
        state = tuple(unit.state)
        if isinstance(unit, Layer) and not is_moving(unit, site.names):
            module = unit.settled(*site.names).module(units, axes)
            if is_torchs_own(module):
                return ModuleNode(torchs_own(module, self.sizes), called, kind, learned, state)
        _, shown = self.shown.setdefault(type(unit), (unit, set()))
        shown.add(axes)
        return ModuleNode(constructor(self.script, unit, site.names, repr(units)), called, kind, learned, state)

    def parametrize(self, unit: WeightLayer) -> None:
        """Let a formula act on the weights that it selects."""
        define_weight_layer(self.script, unit)
        refs = {ref.described: ref for ref in self.refs}
        for each in selected(unit, list(refs)):
            units = self.through.setdefault(refs[each], [])
            self.placed_units.append(PlacedUnit(unit, each.names, f"{parametrization_of(refs[each])}[{len(units)}]"))
            units.append(unit)

    def stored(self, ref: ParameterRef) -> list[ParameterRef]:
        """A parameter where it is stored, and what the formulas on it learn."""
        if ref not in self.through:
            return [ref]
        place = parametrization_of(ref)
        found = [ref._replace(code=f"{place}.original")]
        for number, unit in enumerate(self.through[ref]):
            for kind, start in unit.parameters.items():
                name = f"{ref.described.name}@{type(unit).__name__}.{kind}"
                learned = Parameter(name, 1, ref.described.layer)
                found.append(ParameterRef(learned, 1 if is_per_output(start) else 3, f"{place}[{number}].{kind}"))
        return found

    def define(self) -> str:
        """Put in the function that builds the network; returns its name."""
        arguments = ", ".join(f"{name}: int" for name in self.sizes)
        first, *others = self.root.lines()
        lines = [f"{'model =' if self.through else 'return'} {first}", *others, *self.parametrizing()]
        layers = " with the recipe's layers" * bool(self.placed_units)
        begin = [f"def build({arguments}) -> nn.Sequential:", f'{INDENT}"""{self.description}{layers}."""']
        return self.script.define("build", [*begin, *indented(lines)])

    def parametrizing(self) -> list[str]:
        """The lines that let formulas act on weights, and return the network."""
        groups: dict[tuple[str, ...], list[str]] = {}
        for ref, units in self.through.items():
            owner, _, kind = ref.code.rpartition(".")
            made = [constructor(self.script, unit, ref.described.names, "w") for unit in units]
            groups.setdefault((kind, *made), []).append(owner)
        if not groups:
            return []
        lines = ["# Formulas make the weights that act (unsafe: without a trial run, which would draw noise)."]
        for (kind, *made), owners in groups.items():
            own = [f"w = layer.{kind}.detach()"] * any(re.search(r"\(w\b(?!=)", each) is not None for each in made)
            own += [f'parametrize.register_parametrization(layer, "{kind}", {each}, unsafe=True)' for each in made]
            lines += [f"for layer in ({', '.join(owners)}{',' * (len(owners) == 1)}):", *indented(own)]
        return [*lines, "return model"]


def code_of(path: Path) -> str:
    """A part of the network, as the script calls it."""
    return ".".join(("model", *path))


def parametrization_of(ref: ParameterRef) -> str:
    """Return the script's expression for the parametrization of a stored weight."""
    owner, _, kind = ref.code.rpartition(".")
    return f"{owner}.parametrizations.{kind}"


def unique_name(names: Mapping[str, object], name: str) -> str:
    """A name that is not among these."""
    number, found = 1, name
    while found in names:
        number += 1
        found = f"{name}_{number}"
    return found
