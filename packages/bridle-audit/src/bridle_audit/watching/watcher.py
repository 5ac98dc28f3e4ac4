"""The watcher: it puts hooks on a model and an optimizer, and takes them off again."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling
from torch.optim import LBFGS, Optimizer
from torch.utils.hooks import RemovableHandle

from bridle_audit.decay.decay import innermost
from bridle_audit.errors import InputError, StateError
from bridle_audit.findings import Findings
from bridle_audit.probe.layers import unwrapped
from bridle_audit.rule import Rule
from bridle_audit.watching.average import Average
from bridle_audit.watching.hook import Hook
from bridle_audit.watching.layers import DropoutHook, NormHook, layers_of
from bridle_audit.watching.passes import BEFORE, BEHIND, ENOUGH_EVENTS, PASS, Passes
from bridle_audit.watching.record import Record
from bridle_audit.watching.weights import Frozen, Weights, names_in
from bridle_audit.wording import counted

FIRST, EVERY = 4, 8  # the first steps are looked at, and then one of so many, or of as many as there are parameters


class Watcher:
    """Watches a loop from ``with`` to its end; made by :func:`bridle.watch`, see there."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        averaged: nn.Module | None = None,
        scaler: Any = None,
        rules: Iterable[Rule],
    ) -> None:
        check("model", model, nn.Module, "torch.nn.Module")
        check("optimizer", optimizer, Optimizer, "torch.optim.Optimizer")
        self.model, self.optimizer, self.rules = unwrapped(model), innermost(optimizer), tuple(rules)
        self.called = compiled_in(model) or self.model  # what is compiled is seen from outside
        self.average = Average(averaged, scaler) if averaged is not None else None
        self.passes = Passes(searches=isinstance(self.optimizer, LBFGS))
        self.layers = list(layers_of(self.model, self.passes))
        names = names_in(self.model, self.optimizer)
        self.frozen, self.weights = Frozen(names), Weights(names, self.optimizer)
        self.root: RootHook | None = None
        self.dropouts: list[tuple[nn.Module, DropoutHook, RemovableHandle]] = []  # with hooks of their own
        self.steps = 0  # that have begun
        self.next_look = 1  # the step at which more is done than counting
        self.undo = ExitStack()
        self.was_entered = False
        self.finished: Record | None = None
        self.was_told = False  # whether it was said that no pass was seen

    def __enter__(self) -> Self:
        if self.was_entered:
            raise StateError("a watcher watches one loop, and this one has; make another with bridle.watch(...)")
        self.was_entered = True
        compiled = {id(each) for each in compiled_parts(self.called)}
        implied = [(module, hook) for module, hook in self.layers if id(module) in compiled]
        root = self.root = RootHook(self.model, weight_of(self.optimizer), self.passes, self.average, implied)
        with ExitStack() as undo:
            undo.callback(self.called.register_forward_pre_hook(root, with_kwargs=True, prepend=True).remove)
            for module, hook in self.layers:
                if id(module) not in compiled:
                    handle = module.register_forward_pre_hook(hook)
                    undo.callback(handle.remove)
                    if isinstance(hook, DropoutHook):
                        self.dropouts.append((module, hook, handle))
            undo.callback(self.optimizer.register_step_pre_hook(self.before_step).remove)
            undo.callback(self.optimizer.register_step_post_hook(self.behind_step).remove)
            self.undo = undo.pop_all()
        self.weights.note_rates(self.optimizer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo.close()
        if error is None:
            self.finished = self.so_far()
            self.frozen.forget()
            self.tell_unseen(self.finished)

    @property
    def record(self) -> Record:
        """What was seen, as plain data: so far, or up to the end of the ``with`` block."""
        return self.finished or self.so_far()

    @property
    def findings(self) -> Findings:
        """What the rules make of it; at any time."""
        record = self.record
        self.tell_unseen(record)
        return Findings.of(each for rule in self.rules for each in rule.find("watch", record))

    def tell_unseen(self, record: Record) -> None:
        """Warn, once, where steps were taken and no pass was seen that they could come from."""
        if record.passes or not record.steps or self.was_told:
            return
        self.was_told = True
        steps = counted("step", record.steps)
        warnings.warn(
            f"watch has seen {steps} of the optimizer and no pass of the model with gradients, so nothing is known of "
            f"how it was called: give it the model that the loop calls, and call that, not its forward; where "
            f"torch.compile is used, the module that it has returned (of model.compile() no call is seen)",
            stacklevel=3,
        )

    def before_step(self, *_: Any) -> None:
        """The hook before the optimizer's step."""
        self.passes.events.append((BEFORE,))
        if self.average is not None:
            self.average.before_step()
        self.steps += 1
        if self.steps == self.next_look:
            self.frozen.before_step(self.optimizer)
            self.weights.before_step(self.optimizer, self.steps)

    def behind_step(self, *_: Any) -> None:
        """The hook behind it."""
        self.passes.events.append((BEHIND,))
        if self.steps == self.next_look:
            self.frozen.behind_step()
            self.next_look += 1 if self.steps < FIRST else max(EVERY, len(self.frozen.names))
        if self.average is not None:
            self.average.behind_step(self.optimizer)
        if self.steps == FIRST:
            self.spare_dropouts()
        if len(self.passes.events) > ENOUGH_EVENTS:
            self.passes.go_through()

    def spare_dropouts(self) -> None:
        """Take the hooks off those dropouts that each pass has called once; from here on the model's passes count.

        torch calls a module with hooks in a slower way, and of a dropout there is nothing to see but its mode.
        """
        self.passes.go_through()
        if self.root is None or self.passes.strays:
            return
        for module, hook, handle in self.dropouts:
            if hook.trained == self.passes.learning:
                handle.remove()
                self.root.implied.append((module, hook))

    def so_far(self) -> Record:
        """The record as it is now."""
        passes = self.passes
        passes.go_through()
        passes.end()
        return Record(
            steps=passes.modes.steps,
            passes=passes.learning,
            layers=tuple(hook.seen for _, hook in self.layers),
            modes=passes.modes.seen,
            quiet=passes.quiet.seen,
            twice=passes.twice.seen,
            average=self.average.seen if self.average is not None else None,
            frozen=self.frozen.seen,
            weights=self.weights.seen,
            rates=self.weights.rates,
        )


class RootHook(Hook):
    """Before the model's own forward: a pass begins."""

    def __init__(
        self,
        model: nn.Module,
        weight: Tensor | None,
        passes: Passes,
        average: Average | None,
        implied: list[tuple[nn.Module, DropoutHook | NormHook]],
    ) -> None:
        self.model, self.weight, self.average = model, weight, average
        self.passes, self.events = passes, passes.events
        self.batch: weakref.ref[Tensor] | None = None
        self.implied = (
            implied  # layers that call no hooks, as those in what is compiled: each is taken to be called once
        )

    def __call__(self, model: nn.Module, args: Any, kwargs: Any) -> None:
        """Before a call."""
        if is_dynamo_compiling():
            return
        batch = args[0] if args and isinstance(args[0], Tensor) else first_tensor(args, kwargs)
        before, self.batch = self.batch, weakref.ref(batch) if batch is not None else None
        again = before is not None and before() is batch
        version = self.weight._version if self.weight is not None else 0
        learns = torch.is_grad_enabled()
        self.events.append((PASS, learns, self.model.training, again, version, self.batch))
        if self.average is not None:
            self.average.at_pass(learns)
        for module, hook in self.implied:
            hook(module, ())
        if len(self.events) > ENOUGH_EVENTS:
            self.passes.go_through()


def check(name: str, given: object, expected: type, words: str) -> None:
    """Refuse what is not of a type."""
    if not isinstance(given, expected):
        raise InputError(
            f"watch: the {name} must be a {words}, got {type(given).__name__}; bridle.watch(model, optimizer)"
        )


def first_tensor(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The first tensor among arguments, or in the first dictionary or list of them: it stands for the batch."""
    for each in (*args, *kwargs.values()):
        if isinstance(each, Tensor):
            return each
        if isinstance(each, Mapping | list | tuple):
            return next((value for value in values_of(each) if isinstance(value, Tensor)), None)
    return None


def values_of(held: Any) -> Iterable[Any]:
    """What a dictionary, a list or a tuple holds."""
    return held.values() if isinstance(held, Mapping) else held


def compiled_in(model: nn.Module) -> nn.Module | None:
    """What ``torch.compile`` made, where the model is that, or holds it within ``DistributedDataParallel``."""
    while isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
        model = model.module
    return model if hasattr(model, "_orig_mod") else None


def compiled_parts(model: nn.Module) -> Iterator[nn.Module]:
    """All modules in those parts that ``torch.compile`` made, or that were compiled in place."""
    for each in model.modules():
        if hasattr(each, "_orig_mod") or each._compiled_call_impl is not None:
            yield from each.modules()


def weight_of(optimizer: Optimizer) -> Tensor | None:
    """A trained parameter by whose version one sees that the weights have changed; a matrix, if there is one."""
    held = [each for group in optimizer.param_groups for each in group["params"]]
    trained = [each for each in held if each.requires_grad and not each.is_inference()]
    return max(trained, key=lambda each: each.ndim > 1, default=None)
