"""The modules of a network as a tree of the code that makes them, and its parameters by their place in the script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridle.exporting.wrapping import INDENT, indented
from bridle.module_sites import ModulePath
from bridle.parameter_selection import Parameter
from bridle.places import ActivityLoss, Layer, WeightLayer

__all__ = ["BRANCH", "ModuleNode", "ParameterRef", "PlacedUnit", "SequenceNode", "module_code", "unique_name"]

BRANCH = "branch"  # of a residual block


class ParameterRef(NamedTuple):
    """A parameter: as ``on`` sees it, how many axes it has as it is stored, and its place in the script."""

    described: Parameter
    axes: int
    code: str


class PlacedUnit(NamedTuple):
    """A regularizer that has knobs of its own in the network, and its place in the script."""

    unit: Layer | WeightLayer | ActivityLoss
    names: tuple[str, ...]
    code: str


class ModuleNode(NamedTuple):
    """One module: the code that makes it, what bridle calls it, its type as ``on`` sees it, its parameters' axes."""

    code: str
    name: str
    kind: str
    parameters: Mapping[str, int]
    statistics: tuple[str, ...] = ()  # its buffers


@dataclass
class SequenceNode:
    """Parts that act one after the other; with ``residual`` their result is added to what came in."""

    parts: dict[str, ModuleNode | SequenceNode]
    residual: bool = False

    def insert(self, name: str, added: dict[str, ModuleNode], *, behind: bool) -> None:
        """Insert parts before or behind one of them."""
        known = list(self.parts.items())
        at = list(self.parts).index(name) + behind
        self.parts = dict([*known[:at], *added.items(), *known[at:]])

    def sequence_at(self, path: Sequence[str]) -> SequenceNode:
        """Return the sequence at the end of a path."""
        found = self
        for step in path:
            if step != BRANCH:  # a residual branch is a sequence itself
                inner = found.parts[step]
                assert isinstance(inner, SequenceNode)
                found = inner
        return found

    def leaves(self, path: ModulePath = ()) -> Iterator[tuple[ModulePath, ModuleNode]]:
        """Yield all modules with the path to each, in order."""
        for name, part in self.parts.items():
            if isinstance(part, SequenceNode):
                yield from part.leaves((*path, name, BRANCH) if part.residual else (*path, name))
            else:
                yield (*path, name), part

    def parameters(self) -> list[ParameterRef]:
        """Return the parameters of all modules."""
        return [
            ParameterRef(Parameter(f"{node.name}.{kind}", axes, node.kind), axes, f"{module_code(path)}.{kind}")
            for path, node in self.leaves()
            for kind, axes in node.parameters.items()
        ]

    def statistics(self) -> list[ParameterRef]:
        """Return the buffers of all modules."""
        return [
            ParameterRef(Parameter(f"{node.name}.{kind}", 1), 1, f"{module_code(path)}.{kind}")
            for path, node in self.leaves()
            for kind in node.statistics
        ]

    def lines(self) -> list[str]:
        """Return the lines that make the sequence."""
        inner = []
        for name, part in self.parts.items():
            first, *rest = part.lines() if isinstance(part, SequenceNode) else [part.code]
            inner += [f"{name}={first}", *rest]
            inner[-1] += ","
        chain = ["nn.Sequential(", f"{INDENT}OrderedDict(", *indented(inner, 2), f"{INDENT})", ")"]
        return ["Residual(", *indented(chain), ")"] if self.residual else chain


def module_code(path: ModulePath) -> str:
    """Return a part of the network as the script calls it."""
    return ".".join(("model", *path))


def unique_name(names: Mapping[str, object], name: str) -> str:
    """Return the name, with a number behind it where it is one of these already."""
    number, found = 1, name
    while found in names:
        number += 1
        found = f"{name}_{number}"
    return found
