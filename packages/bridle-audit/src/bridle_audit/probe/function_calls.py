"""Calls of functions within a pass: dropout is called as a function as often as it is a module."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bridle_audit.probe.forward import detached, first_tensor, hookable_modules

__all__ = ["ATTENTION", "CHANNELWISE", "FunctionCall", "WithoutDropout", "record_function_calls"]

TorchFunction = Callable[..., Any]

# torch's modules call these too, so that every dropout is seen here, whichever form it has.
ELEMENTWISE: dict[TorchFunction, str] = {
    F.dropout: "dropout",
    torch.dropout: "dropout",
    torch.dropout_: "dropout",
    F.alpha_dropout: "alpha_dropout",
    torch.alpha_dropout: "alpha_dropout",
}
CHANNELWISE: dict[TorchFunction, str] = {
    F.dropout1d: "dropout1d",
    F.dropout2d: "dropout2d",
    F.dropout3d: "dropout3d",
    F.feature_alpha_dropout: "feature_alpha_dropout",
}
ATTENTION: dict[TorchFunction, str] = {
    F.scaled_dot_product_attention: "scaled_dot_product_attention",
    F.multi_head_attention_forward: "multi_head_attention_forward",
}
SELU: dict[TorchFunction, str] = dict.fromkeys((F.selu, torch.selu, torch.selu_), "selu")
DROPS: dict[TorchFunction, str] = {**ELEMENTWISE, **CHANNELWISE, **ATTENTION}
FUNCTIONS: dict[TorchFunction, str] = {**DROPS, **SELU}


@dataclass(frozen=True)
class FunctionCall:
    """A call of a dropout, attention, or SELU function."""

    function: str
    owner: str  # the name of the innermost module that runs; "" is the model itself
    module: nn.Module
    rate: float  # the share that it drops in this call: 0 where it is told that this is no training
    input: Tensor | None
    output: Tensor | None

    @property
    def drops(self) -> bool:
        """True if the call drops at random."""
        return self.rate > 0

    @property
    def site(self) -> str:
        """The module, if it is a dropout itself; else the function with the module that calls it."""
        known = isinstance(self.module, nn.modules.dropout._DropoutNd | nn.SELU | nn.MultiheadAttention)
        return self.owner if known else f"{self.function} in {self.owner or 'the model'}"


def named_arguments(function: TorchFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name; of torch's built-in functions, those that are needed here."""
    if function in (torch.dropout, torch.dropout_, torch.alpha_dropout):
        return dict(zip(("input", "p", "training"), args, strict=False)) | dict(kwargs)
    if function is F.scaled_dot_product_attention:
        names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
        return dict(zip(names, args, strict=False)) | dict(kwargs)
    if not inspect.isfunction(function):
        return dict(kwargs)
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def dropped_share(function: TorchFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float:
    """Return the share that a call drops."""
    if function not in DROPS:
        return 0.0
    given = named_arguments(function, args, kwargs)
    rate = given.get("dropout_p", 0.0) if function in ATTENTION else given.get("p", 0.5)
    training = given.get("training", given.get("train", True))
    return float(rate) if training else 0.0


class FunctionCallRecorder(TorchFunctionMode):
    """Records each call of a function in ``FUNCTIONS`` within the block, with the module that makes it."""

    def __init__(self, model: nn.Module, module_stack: list[str]) -> None:
        super().__init__()
        self.modules, self.module_stack = dict(model.named_modules()), module_stack
        self.calls: list[FunctionCall] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func not in FUNCTIONS:
            return func(*args, **given)
        rate, entered = dropped_share(func, args, given), detached(first_tensor((args, given)), own=True)
        output = func(*args, **given)
        owner = self.module_stack[-1] if self.module_stack else ""
        left = detached(first_tensor(output), own=True)
        self.calls.append(FunctionCall(FUNCTIONS[func], owner, self.modules[owner], rate, entered, left))
        return output


class WithoutDropout(TorchFunctionMode):
    """Makes dropout functions the identity within the block, and attention drop nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func in ATTENTION:
            return func(**{**named_arguments(func, args, given), "dropout_p": 0.0})
        if func in DROPS:
            return named_arguments(func, args, given)["input"]
        return func(*args, **given)


@contextmanager
def record_function_calls(model: nn.Module) -> Iterator[list[FunctionCall]]:
    """Record the calls of functions by the model's modules within the block, in order."""
    module_stack: list[str] = []

    def enter(name: str) -> Callable[..., None]:
        def hook(*_: object) -> None:
            module_stack.append(name)

        return hook

    def leave(*_: object) -> None:
        module_stack.pop()

    hooks = []
    for name, module in hookable_modules(model):
        hooks.append(module.register_forward_pre_hook(enter(name)))
        hooks.append(module.register_forward_hook(leave))
    try:
        with FunctionCallRecorder(model, module_stack) as recorder:
            yield recorder.calls
    finally:
        for each in hooks:
            each.remove()
