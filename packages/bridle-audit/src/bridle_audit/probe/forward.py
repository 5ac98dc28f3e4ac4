"""A pass of a batch through a copy of a model: the calls of its modules, output, loss and gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bridle_audit.probe.batch import LossFunction, ProbeBatch, logits_of, scalar_of
from bridle_audit.probe.copying import SEED, seed_all, state_restored

__all__ = ["ForwardPass", "ModuleCall", "detached", "first_tensor", "hookable_modules", "run_pass"]


@dataclass(frozen=True)
class ModuleCall:
    """A call of a module within a pass; a module that is used twice has two."""

    name: str
    module: nn.Module
    input: Tensor | None  # the first tensor among its arguments
    output: Tensor | None  # the first tensor that it gives back
    training: bool
    is_leaf: bool  # has no submodules
    input_requires_grad: bool  # it depends on something that is trained, where gradients are asked for


@dataclass(frozen=True)
class ForwardPass:
    """The result of a pass of a batch through the model."""

    calls: tuple[ModuleCall, ...]  # in the order in which they ended: inner ones before those around them
    output: Any  # as the model gave it
    logits: Tensor | None  # what of it a loss is made of, without a graph
    loss: float | None
    gradients: dict[str, Tensor] = field(default_factory=dict)  # of the loss, by parameter; none where there is no path
    buffers: dict[str, Tensor] = field(default_factory=dict)  # as the pass left them

    @property
    def leaf_calls(self) -> tuple[ModuleCall, ...]:
        """The calls of modules without submodules."""
        return tuple(each for each in self.calls if each.is_leaf)

    def first_call(self, name: str) -> ModuleCall | None:
        """Return the first call of a module, by its name; None if it was not called."""
        return next((each for each in self.calls if each.name == name), None)


def run_pass(
    model: nn.Module,
    batch: ProbeBatch,
    loss: LossFunction | None,
    *,
    training: bool,
    gradients: bool = False,
    seed: int = SEED,
) -> ForwardPass:
    """Run a batch through a model in one mode; buffers, modes and gradients are restored.

    The noise is that of the seed, so that two passes differ only in what is changed between them. Raises whatever the
    model or the loss raises; their warnings, which the user's loop shows anyway, are not repeated.
    """
    with (
        state_restored(model),
        record_module_calls(model) as calls,
        torch.set_grad_enabled(gradients),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        set_mode(model, training)
        seed_all(seed)
        output = batch.clone().call(model)
        logits = logits_of(output)
        value = scalar_of(loss(output, batch.y)) if loss else scalar_of(getattr(output, "loss", None))
        found = loss_gradients(model, value) if gradients else {}
        buffers = {name: each.detach().clone() for name, each in model.named_buffers()}
    return ForwardPass(
        tuple(calls),
        output,
        None if logits is None else logits.detach().clone(),
        None if value is None else float(value.detach()),
        found,
        buffers,
    )


def set_mode(model: nn.Module, training: bool) -> None:
    """Set a model's mode; parts of a training model that the user keeps in evaluation mode stay there."""
    if not training:
        model.eval()
    elif not model.training:
        model.train()


def loss_gradients(model: nn.Module, loss: Tensor | None) -> dict[str, Tensor]:
    """Return the gradient of the loss by parameter name, for each parameter that it depends on."""
    if loss is None or not loss.requires_grad:
        return {}
    held = {name: each for name, each in model.named_parameters() if each.requires_grad}
    found = torch.autograd.grad(loss, list(held.values()), allow_unused=True)
    return {
        name: (each.to_dense() if each.is_sparse else each).detach()
        for name, each in zip(held, found, strict=True)
        if each is not None
    }


@contextmanager
def record_module_calls(model: nn.Module) -> Iterator[list[ModuleCall]]:
    """Record every call of every module within the block.

    Tensors of modules without submodules are copied, as the next module may work in place; those of the modules around
    them are not: their parts are there already.
    """
    calls: list[ModuleCall] = []
    inputs: dict[int, list[tuple[Tensor | None, bool]]] = {}

    def note(name: str, is_leaf: bool) -> tuple[Callable[..., None], Callable[..., None]]:
        def before(module: nn.Module, args: object, kwargs: object) -> None:
            entered = first_tensor((args, kwargs))
            is_learned = entered is not None and entered.requires_grad
            inputs.setdefault(id(module), []).append((detached(entered, is_leaf), is_learned))

        def after(module: nn.Module, args: object, kwargs: object, output: object) -> None:
            waiting = inputs.get(id(module))
            entered, is_learned = waiting.pop() if waiting else (None, False)
            result = detached(first_tensor(output), is_leaf)
            calls.append(ModuleCall(name, module, entered, result, module.training, is_leaf, is_learned))

        return before, after

    hooks = []
    for name, module in hookable_modules(model):
        before, after = note(name, next(module.children(), None) is None)
        hooks.append(module.register_forward_pre_hook(before, with_kwargs=True))
        hooks.append(module.register_forward_hook(after, with_kwargs=True))
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def hookable_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Return the modules by name, without those that TorchScript has compiled: they take no hooks."""
    return ((name, each) for name, each in model.named_modules() if not isinstance(each, torch.jit.ScriptModule))


def first_tensor(held: object) -> Tensor | None:
    """Return the first tensor within arguments or results, of floating point if there is one."""
    tensors = [each for each in tree_leaves(held) if isinstance(each, Tensor)]
    return next((each for each in tensors if each.is_floating_point()), tensors[0] if tensors else None)


def detached(tensor: Tensor | None, own: bool) -> Tensor | None:
    """Return a tensor without its graph, and in memory of its own if ``own``."""
    if tensor is None:
        return None
    return tensor.detach().clone() if own else tensor.detach()
