"""A program: a script or notebook as a rule is given it. Nothing in it is run."""

from __future__ import annotations

import ast
from functools import cached_property
from pathlib import Path

from bridle_audit.static.facts.calls import Call, call_of
from bridle_audit.static.facts.classes import is_module
from bridle_audit.static.facts.optimizers import OptimizerCall, optimizers_of
from bridle_audit.static.facts.training_loops import Evaluation, LoopFinder, Training
from bridle_audit.static.interpreter import ComputedLoss, Network, ProgramTrace, interpret, losses_of, networks_of
from bridle_audit.static.libraries.kinds import LOSSES
from bridle_audit.static.source.loading import source_of_file, source_of_text
from bridle_audit.static.syntax import Syntax

__all__ = ["Program", "read_file", "read_source"]

RELEVANT = ("torch", "keras", "tensorflow", "lightning", "transformers", "sklearn", "timm", "bridle")
LOSS_WORDS = sorted({name.rpartition(".")[2] for name in LOSSES} | {"keras.losses", "loss="})
FOLLOWED = ("torch", "keras", "tensorflow", "lightning", "transformers", "timm")


class Program(Syntax):
    """A file with its networks, losses, optimizers and loops. What is not certain is left out, "?" or UNKNOWN.

    >>> from bridle_audit.static import read_source
    >>> program = read_source("from torch import optim\\noptimizer = optim.Adam(model.parameters(), lr=0.01)")
    >>> [(each.name, each.lr, each.decay) for each in program.optimizers]
    [('torch.optim.Adam', 0.01, None)]
    """

    @cached_property
    def is_relevant(self) -> bool:
        """True if the text mentions a library of this field at all."""
        return any(word in self.text for word in RELEVANT)

    @cached_property
    def all_calls(self) -> list[Call]:
        """Every call, in the order of the file."""
        return [call_of(self, node) for node in self.nodes(ast.Call)]

    @cached_property
    def calls_by_name(self) -> dict[str, list[Call]]:
        """The calls by the name of what is called."""
        found: dict[str, list[Call]] = {}
        for each in self.all_calls:
            found.setdefault(each.name, []).append(each)
        return found

    def calls(self, *names: str) -> list[Call]:
        """The calls of some names, in the order of the file; ``"torch.optim.*"`` stands for all that start so.

        >>> from bridle_audit.static import read_source
        >>> program = read_source("from torch import nn\\nnn.Dropout(0.5)\\nloss.backward()")
        >>> [each.value(0, "p", 0.5) for each in program.calls("torch.nn.Dropout")]
        [0.5]
        >>> [program.source(each.receiver) for each in program.calls("method:backward")]
        ['loss']
        """
        exact = {name for name in names if not name.endswith("*")}
        starts = tuple(name[:-1] for name in names if name.endswith("*"))
        if not starts and len(exact) == 1:
            return list(self.calls_by_name.get(exact.pop(), ()))
        return [each for each in self.all_calls if each.name in exact or (starts and each.name.startswith(starts))]

    @cached_property
    def trace(self) -> ProgramTrace:
        """The program followed."""
        if not self.is_worth_following:
            return ProgramTrace()
        return interpret(self)

    @property
    def is_worth_following(self) -> bool:
        """True if there may be a network or a loss in it."""
        if not any(word in self.text for word in FOLLOWED):
            return False
        return self.mentions_loss or "Sequential" in self.text or any(is_module(self, each) for each in self.classes)

    @cached_property
    def networks(self) -> list[Network]:
        """The networks that it defines, blocks included.

        >>> from bridle_audit.static import read_source
        >>> program = read_source("from torch import nn\\nnet = nn.Sequential(nn.Linear(4, 2), nn.ReLU())")
        >>> [(each.name, each.flow) for each in program.networks]
        [('net', (linear (torch.nn.Linear), activation:relu (torch.nn.ReLU)))]
        """
        return networks_of(self, self.trace, self.all_calls)

    @cached_property
    def losses(self) -> list[ComputedLoss]:
        """The losses that it computes.

        >>> from bridle_audit.static import read_source
        >>> program = read_source("import torch.nn.functional as F\\nF.cross_entropy(F.softmax(model(x), 1), y)")
        >>> [(each.kind, each.logits) for each in program.losses]
        [('cross_entropy', (? (start), activation:softmax (torch.nn.functional.softmax)))]
        """
        return losses_of(self, self.trace, self.networks) if self.mentions_loss else []

    @property
    def mentions_loss(self) -> bool:
        """True if the text has the name of a loss."""
        return any(word in self.text for word in LOSS_WORDS)

    @cached_property
    def optimizers(self) -> list[OptimizerCall]:
        """The optimizers that it makes."""
        return optimizers_of(self, self.all_calls)

    @cached_property
    def loops(self) -> LoopFinder:
        """The training and evaluation loops."""
        return LoopFinder(self, self.all_calls)

    @cached_property
    def trainings(self) -> list[Training]:
        """The functions, or the module's own level, that call ``backward``."""
        return self.loops.trainings()

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """The functions and blocks that score a model, except those that a framework calls in evaluation mode."""
        return self.loops.evaluations()


def read_file(path: str | Path) -> Program:
    """A script or notebook as a program; ``Unreadable`` with a sentence where that cannot be."""
    return Program(source_of_file(path))


def read_source(text: str, file: str = "<string>") -> Program:
    """A text as a program; ``Unreadable`` where it is not Python 3.

    >>> read_source("import torch.nn.functional as F\\nF.relu(x)").calls("torch.nn.functional.*")[0].location.line
    2
    """
    return Program(source_of_text(text, file))
