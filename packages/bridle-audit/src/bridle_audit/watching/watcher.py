"""The watcher, which puts hooks on a model and an optimizer, and takes them off again."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn
from torch.compiler import is_dynamo_compiling
from torch.optim import LBFGS, Optimizer
from torch.utils.hooks import RemovableHandle

from bridle_audit.decay.measurement import innermost_optimizer
from bridle_audit.errors import InputError, StateError
from bridle_audit.findings import Findings
from bridle_audit.probe.layers import unwrap
from bridle_audit.rule import Rule
from bridle_audit.watching.average_updates import AverageUpdateCounter, GradientScaler
from bridle_audit.watching.events import EVENTS_PER_COUNT, PASS_BEGINS, STEP_BEGINS, STEP_ENDS, EventLog
from bridle_audit.watching.frozen import FrozenParameters, parameter_names
from bridle_audit.watching.hook import Hook
from bridle_audit.watching.layer_hooks import DropoutHook, NormHook, make_layer_hooks
from bridle_audit.watching.record import LoopRecord
from bridle_audit.watching.undecayed import UndecayedWeights
from bridle_audit.wording import counted

__all__ = ["Watcher"]

# The first steps are inspected, and then one of so many, or of as many as there are parameters.
FIRST_STEPS, LEAST_INTERVAL = 4, 8


class Watcher:
    """Watches a training loop within a ``with`` block; made by :func:`bridle_audit.watch`, see there."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        averaged: nn.Module | None = None,
        scaler: GradientScaler | None = None,
        rules: Iterable[Rule],
    ) -> None:
        require_type("model", model, nn.Module, "torch.nn.Module")
        require_type("optimizer", optimizer, Optimizer, "torch.optim.Optimizer")
        self.model, self.optimizer, self.rules = unwrap(model), innermost_optimizer(optimizer), tuple(rules)
        self.called = compiled_module(model) or self.model  # what is compiled is seen from outside
        self.average = AverageUpdateCounter(averaged, scaler) if averaged is not None else None
        self.log = EventLog(searches=isinstance(self.optimizer, LBFGS))
        self.layers = list(make_layer_hooks(self.model, self.log))
        names = parameter_names(self.model, self.optimizer)
        self.frozen, self.undecayed = FrozenParameters(names), UndecayedWeights(names, self.optimizer)
        self.root: RootHook | None = None
        self.dropouts: list[tuple[nn.Module, DropoutHook, RemovableHandle]] = []  # with hooks of their own
        self.steps = 0  # that have begun
        self.next_inspection = 1  # the step at which more is done than counting
        self.undo = ExitStack()
        self.was_entered = False
        self.final_record: LoopRecord | None = None
        self.has_warned = False  # that no pass was seen

    def __enter__(self) -> Self:
        if self.was_entered:
            raise StateError("a watcher watches one loop, and this one has; make another with bridle.watch(...)")
        self.was_entered = True
        compiled = {id(each) for each in compiled_parts(self.called)}
        implied = [(module, hook) for module, hook in self.layers if id(module) in compiled]
        root = self.root = RootHook(self.model, version_witness(self.optimizer), self.log, self.average, implied)
        with ExitStack() as undo:
            undo.callback(self.called.register_forward_pre_hook(root, with_kwargs=True, prepend=True).remove)
            for module, hook in self.layers:
                if id(module) not in compiled:
                    handle = module.register_forward_pre_hook(hook)
                    undo.callback(handle.remove)
                    if isinstance(hook, DropoutHook):
                        self.dropouts.append((module, hook, handle))
            undo.callback(self.optimizer.register_step_pre_hook(self.before_step).remove)
            undo.callback(self.optimizer.register_step_post_hook(self.after_step).remove)
            self.undo = undo.pop_all()
        self.undecayed.note_learning_rates(self.optimizer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo.close()
        if error is None:
            self.final_record = self.current_record()
            self.frozen.clear()
            self.warn_if_no_pass(self.final_record)

    @property
    def record(self) -> LoopRecord:
        """The record of the loop, as plain data: so far, or up to the end of the ``with`` block."""
        return self.final_record or self.current_record()

    @property
    def findings(self) -> Findings:
        """The findings of the rules in the record, so far or at the end."""
        record = self.record
        self.warn_if_no_pass(record)
        return Findings.of(each for rule in self.rules for each in rule.find("watch", record))

    def warn_if_no_pass(self, record: LoopRecord) -> None:
        """Warn, once, if steps were taken and no pass was seen that they could come from."""
        if record.passes or not record.steps or self.has_warned:
            return
        self.has_warned = True
        steps = counted("step", record.steps)
        warnings.warn(
            f"watch has seen {steps} of the optimizer and no pass of the model with gradients, so nothing is known of "
            f"how it was called: give it the model that the loop calls, and call that, not its forward; where "
            f"torch.compile is used, the module that it has returned (of model.compile() no call is seen)",
            stacklevel=3,
        )

    def before_step(self, *_: object) -> None:
        """Note that a step of the optimizer begins; its hook before a step."""
        self.log.events.append((STEP_BEGINS,))
        if self.average is not None:
            self.average.before_step()
        self.steps += 1
        if self.steps == self.next_inspection:
            self.frozen.before_step(self.optimizer)
            self.undecayed.before_step(self.optimizer, self.steps)

    def after_step(self, *_: object) -> None:
        """Note that the step is taken; the optimizer's hook after a step."""
        self.log.events.append((STEP_ENDS,))
        if self.steps == self.next_inspection:
            self.frozen.after_step()
            self.next_inspection += 1 if self.steps < FIRST_STEPS else max(LEAST_INTERVAL, len(self.frozen.names))
        if self.average is not None:
            self.average.after_step(self.optimizer)
        if self.steps == FIRST_STEPS:
            self.remove_dropout_hooks()
        if len(self.log.events) > EVENTS_PER_COUNT:
            self.log.count_events()

    def remove_dropout_hooks(self) -> None:
        """Remove the hooks of the dropouts that each pass has called once; from here on the model's passes count.

        torch calls a module with hooks in a slower way, and of a dropout there is nothing to see but its mode.
        """
        self.log.count_events()
        if self.root is None or self.log.stray_passes:
            return
        for module, hook, handle in self.dropouts:
            if hook.training_calls == self.log.learning_passes:
                handle.remove()
                self.root.implied.append((module, hook))

    def current_record(self) -> LoopRecord:
        """Return the record of the loop so far."""
        log = self.log
        log.count_events()
        log.end_pass()
        return LoopRecord(
            steps=log.modes.steps,
            passes=log.learning_passes,
            layers=tuple(hook.record for _, hook in self.layers),
            modes=log.modes.record,
            validation=log.validation.record,
            repeated_batches=log.repeated_batches.record,
            average=self.average.record if self.average is not None else None,
            frozen_parameters=self.frozen.records,
            undecayed_weights=self.undecayed.records,
            learning_rates=self.undecayed.learning_rates,
        )


class RootHook(Hook):
    """Notes that a pass begins, before the model's own forward."""

    def __init__(
        self,
        model: nn.Module,
        weight: Tensor | None,
        log: EventLog,
        average: AverageUpdateCounter | None,
        implied: list[tuple[nn.Module, DropoutHook | NormHook]],
    ) -> None:
        self.model, self.weight, self.average = model, weight, average
        self.log, self.events = log, log.events
        self.batch: weakref.ref[Tensor] | None = None
        self.implied = implied  # layers that call no hooks, as compiled ones: each is taken to be called once

    def __call__(self, model: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        """Note a call, and the calls of the layers that call no hooks."""
        if is_dynamo_compiling():
            return
        batch = args[0] if args and isinstance(args[0], Tensor) else first_tensor(args, kwargs)
        before, self.batch = self.batch, weakref.ref(batch) if batch is not None else None
        same_batch = before is not None and before() is batch
        version = self.weight._version if self.weight is not None else 0
        learns = torch.is_grad_enabled()
        self.events.append((PASS_BEGINS, learns, self.model.training, same_batch, version, self.batch))
        if self.average is not None:
            self.average.before_pass(learns)
        for module, hook in self.implied:
            hook(module, ())
        if len(self.events) > EVENTS_PER_COUNT:
            self.log.count_events()


def require_type(name: str, given: object, expected: type, words: str) -> None:
    """Raise ``InputError`` unless an argument is of a type."""
    if not isinstance(given, expected):
        raise InputError(
            f"watch: the {name} must be a {words}, got {type(given).__name__}; bridle.watch(model, optimizer)"
        )


def first_tensor(args: tuple[object, ...], kwargs: Mapping[str, object]) -> Tensor | None:
    """Return the first tensor among arguments, or in their first dictionary or list: it stands for the batch."""
    for each in (*args, *kwargs.values()):
        if isinstance(each, Tensor):
            return each
        if isinstance(each, Mapping | list | tuple):
            return next((value for value in members(each) if isinstance(value, Tensor)), None)
    return None


def members(held: Mapping[str, object] | Iterable[object]) -> Iterable[object]:
    """Return the members of a dictionary, a list or a tuple."""
    return held.values() if isinstance(held, Mapping) else held


def compiled_module(model: nn.Module) -> nn.Module | None:
    """Return the module made by ``torch.compile``, if the model is that or wraps it for distributed training."""
    while isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
        model = model.module
    return model if hasattr(model, "_orig_mod") else None


def compiled_parts(model: nn.Module) -> Iterator[nn.Module]:
    """Yield all modules in those parts that ``torch.compile`` made, or that were compiled in place."""
    for each in model.modules():
        if hasattr(each, "_orig_mod") or each._compiled_call_impl is not None:
            yield from each.modules()


def version_witness(optimizer: Optimizer) -> Tensor | None:
    """Return a trained parameter whose version shows that the weights have changed; a matrix, if there is one."""
    held = [each for group in optimizer.param_groups for each in group["params"]]
    trained = [each for each in held if each.requires_grad and not each.is_inference()]
    return max(trained, key=lambda each: each.ndim > 1, default=None)
