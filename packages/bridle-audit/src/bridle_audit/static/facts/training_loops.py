"""Training and evaluation loops of a program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from bridle_audit.findings import Location
from bridle_audit.static.facts.calls import Call, turns_gradients_off
from bridle_audit.static.facts.classes import FORWARDS, is_lightning, is_module
from bridle_audit.static.scopes.index import Function, Loop
from bridle_audit.static.syntax import Syntax

__all__ = ["Evaluation", "LoopFinder", "Training"]

BACKWARDS = ("method:backward", "method:manual_backward")
EVALUATION_NAME = re.compile(
    r"(?i)(?:^|_)(?:eval|evaluate|evaluation|valid|validate|validation|val|test|accuracy|acc|predict|score)(?:_|$)"
)
METRIC = re.compile(r"(?i)accura|correct|argmax|\.max\(|topk|_score|val_loss|valid_loss|test_loss|confusion|\bmetric")
MODEL = re.compile(r"(?i)model|(?:^|_)net(?:work)?(?:$|_|\d)|classifier|resnet|^cnn|^mlp|^lstm|^rnn|^gpt|^vit|encoder$")
NOT_MODEL = re.compile(
    r"(?i)loss|criter|optim|sched|loader|dataset|tokenizer|(?:^|_)metrics?$|accuracy|transform|teacher|target"
)
OWN_LOOPS = ("validation_step", "test_step", "predict_step", "compute_metrics", "compute_loss", *FORWARDS)


@dataclass(frozen=True, eq=False)
class Training:
    """A function, or the module's own level, in which ``backward`` is called."""

    syntax: Syntax
    node: Function | ast.Module
    calls: list[Call]  # all that it makes

    @property
    def name(self) -> str:
        """The function's name; empty for the module."""
        return "" if isinstance(self.node, ast.Module) else self.node.name

    @property
    def location(self) -> Location:
        """The location of its start."""
        return self.syntax.location(self.node)

    def named(self, *names: str) -> list[Call]:
        """Its calls of some methods: ``training.named("clip_grad_norm_")``."""
        return [each for each in self.calls if re.split(r"[.:]", each.name)[-1] in names]

    @property
    def backwards(self) -> list[Call]:
        """The calls of ``backward``."""
        return self.named("backward", "manual_backward")

    @property
    def steps(self) -> list[Call]:
        """The calls of ``step``, of optimizers and schedulers alike: ``each.receiver`` tells which."""
        return self.named("step")

    @property
    def zero_grads(self) -> list[Call]:
        """The calls of ``zero_grad``."""
        return self.named("zero_grad")

    @property
    def loops(self) -> list[Loop]:
        """The loops around the first ``backward``, the innermost first."""
        return self.backwards[0].loops


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A function, or a block under ``no_grad``, in which a model's outputs are scored."""

    syntax: Syntax
    node: Function | ast.With | ast.AsyncWith
    calls: list[Call]  # of the model
    calls_eval: bool  # whether it is put in evaluation mode: before, here, by a caller or by what is called
    callers: list[Call]  # in this file

    @property
    def name(self) -> str:
        """The name of the function in which it is; empty in the module."""
        function = self.node if isinstance(self.node, Function) else self.syntax.function_of(self.node)
        return function.name if function is not None else ""

    @property
    def location(self) -> Location:
        """The location of the first call of the model."""
        return self.calls[0].location

    @property
    def model(self) -> str:
        """The model, as it is written: ``self.model``."""
        return self.syntax.source(self.calls[0].node.func)

    @property
    def under_no_grad(self) -> bool:
        """True if gradients are off when the model is called."""
        return any(each.under_no_grad for each in self.calls)


class LoopFinder:
    """Finds both. A program's calls are told apart by the function in whose body they stand."""

    def __init__(self, syntax: Syntax, calls: list[Call]) -> None:
        self.syntax = syntax
        self.by_function: dict[ast.AST, list[Call]] = {}
        for each in calls:
            self.by_function.setdefault(each.function or syntax.tree, []).append(each)
        self.calls = calls

    def trainings(self) -> list[Training]:
        """Return the functions, or the module's own level, that call ``backward``."""
        found = [
            Training(self.syntax, node, calls)
            for node, calls in self.by_function.items()
            if isinstance(node, Function | ast.Module)
        ]
        return [each for each in found if each.backwards and each.name not in ("backward", "forward")]

    def evaluations(self) -> list[Evaluation]:
        """Return the functions and blocks that score a model."""
        found = [self.evaluation(node, calls) for node, calls in self.candidates()]
        return [each for each in found if each is not None]

    def candidates(self) -> Iterator[tuple[Function | ast.With | ast.AsyncWith, list[Call]]]:
        """Functions without a ``backward`` that score, and the blocks under ``no_grad`` of the others that do."""
        for node, calls in self.by_function.items():
            trains = any(each.name in BACKWARDS for each in calls)
            if isinstance(node, Function) and not trains:
                if node.name not in OWN_LOOPS and self.is_scoring(node, calls):
                    yield node, calls
            elif self.turns_off_somewhere:
                yield from self.blocks(calls)

    def is_scoring(self, node: Function, calls: list[Call]) -> bool:
        """Return True if a function is named for evaluation, or has gradients off, and mentions a metric."""
        if not EVALUATION_NAME.search(node.name) and not (
            self.turns_off_somewhere
            and any(each.under_no_grad for each in calls if each.name == "?" or ":" in each.name)
        ):
            return False
        return METRIC.search(self.syntax.text_of(node)) is not None

    @cached_property
    def turns_off_somewhere(self) -> bool:
        """True if the text has a word that turns gradients off."""
        return any(word in self.syntax.text for word in ("no_grad", "inference_mode", "set_grad_enabled"))

    def blocks(self, calls: list[Call]) -> Iterator[tuple[ast.With | ast.AsyncWith, list[Call]]]:
        """The blocks under ``no_grad`` in which something is scored."""
        blocks: dict[ast.With | ast.AsyncWith, list[Call]] = {}
        for each in calls:
            for above in self.syntax.above(each.node):
                if isinstance(above, ast.With | ast.AsyncWith) and turns_gradients_off(self.syntax, above):
                    blocks.setdefault(above, []).append(each)
        yield from ((node, inner) for node, inner in blocks.items() if METRIC.search(self.syntax.text_of(node)))

    def evaluation(self, node: Function | ast.With | ast.AsyncWith, calls: list[Call]) -> Evaluation | None:
        """The evaluation that a candidate is, if it calls a model of its own or one that it is given."""
        owner = self.syntax.class_of(node)
        if owner is not None and (is_lightning(self.syntax, owner) or is_module(self.syntax, owner)):
            return None
        models = [each for each in calls if self.is_model(each)]
        if not models:
            return None
        function = node if isinstance(node, Function) else self.syntax.function_of(node)
        callers = self.callers(function) if function is not None else []
        return Evaluation(self.syntax, node, models, self.has_eval(function, callers, calls), callers)

    def is_model(self, call: Call) -> bool:
        """Return True for the call of a model: a variable with a model's name, or on which ``eval()`` is called."""
        text = self.syntax.source(call.node.func)
        if (
            not re.fullmatch(r"[\w.]+", text)
            or call.name.startswith(("torch.", "keras."))
            or not call.node.args + call.node.keywords
        ):
            return False
        last = text.rpartition(".")[2]
        if ("." in text and not text.startswith("self.")) or NOT_MODEL.search(last):
            return False
        if call.name != "?" and not call.name.startswith("method:"):  # a class or function of the file
            return False
        return MODEL.search(last) is not None or text in self.in_a_mode

    @cached_property
    def in_a_mode(self) -> set[str]:
        """The expressions, as written, on which ``train()`` or ``eval()`` is called."""
        modes = [
            each for each in self.calls if each.name in ("method:train", "method:eval") and len(each.node.args) < 2
        ]
        return {self.syntax.source(each.receiver) for each in modes if each.receiver is not None}

    def callers(self, function: Function) -> list[Call]:
        """The calls of a function in this file."""
        return [each for each in self.calls if each.name in (function.name, f"method:{function.name}")]

    def has_eval(self, function: Function | None, callers: list[Call], calls: list[Call]) -> bool:
        """Return True if an evaluation, its callers or its callees put a model in evaluation mode."""
        mine = self.by_function.get(function or self.syntax.tree, [])
        if any(is_eval(each) for each in [*calls, *mine]):
            return True
        if any(
            is_eval(other) for each in callers for other in self.by_function.get(each.function or self.syntax.tree, [])
        ):
            return True
        called = {re.split(r"[.:]", each.name)[-1] for each in mine}
        helpers = [each for each in self.by_function if isinstance(each, Function) and each.name in called]
        return any(is_eval(each) for helper in helpers for each in self.by_function[helper])


def is_eval(call: Call) -> bool:
    """Return True if a call puts a model in evaluation mode: ``model.eval()``, ``model.train(False)``."""
    if call.name.endswith((":eval", ".eval")) and not call.node.args:
        return True
    return call.name.endswith((":train", ".train")) and call.value(0, "mode", True) is not True
