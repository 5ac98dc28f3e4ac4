"""Functions at work within a pass: what drops at random is called as a function as often as it is a module."""

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

from bridle_audit.probe.passes import first_tensor, hookable, kept

Function = Callable[..., Any]

# torch's modules call these too, so that every dropout is seen here, whichever form it has.
ELEMENTWISE: dict[Function, str] = {
    F.dropout: "dropout",
    torch.dropout: "dropout",
    torch.dropout_: "dropout",
    F.alpha_dropout: "alpha_dropout",
    torch.alpha_dropout: "alpha_dropout",
}
CHANNELWISE: dict[Function, str] = {
    F.dropout1d: "dropout1d",
    F.dropout2d: "dropout2d",
    F.dropout3d: "dropout3d",
    F.feature_alpha_dropout: "feature_alpha_dropout",
}
ATTENTION: dict[Function, str] = {
    F.scaled_dot_product_attention: "scaled_dot_product_attention",
    F.multi_head_attention_forward: "multi_head_attention_forward",
}
SELU: dict[Function, str] = dict.fromkeys((F.selu, torch.selu, torch.selu_), "selu")
DROPS: dict[Function, str] = {**ELEMENTWISE, **CHANNELWISE, **ATTENTION}
FUNCTIONS: dict[Function, str] = {**DROPS, **SELU}


@dataclass(frozen=True)
class Use:
    """One function at work: a dropout, attention, or SELU."""

    function: str
    owner: str  # the name of the innermost module at work; "" is the model itself
    module: nn.Module
    rate: float  # the share that it drops in this call: 0 where it is told that this is no training
    input: Tensor | None
    output: Tensor | None

    @property
    def drops(self) -> bool:
        """Whether something is dropped at random."""
        return self.rate > 0

    @property
    def where(self) -> str:
        """The module if it is a dropout itself, or the function with the module that calls it."""
        known = isinstance(self.module, nn.modules.dropout._DropoutNd | nn.SELU | nn.MultiheadAttention)
        return self.owner if known else f"{self.function} in {self.owner or 'the model'}"


def settings(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name; of torch's built-in functions, those that are asked for here."""
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


def dropped(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float:
    """The share that a call drops."""
    if function not in DROPS:
        return 0.0
    given = settings(function, args, kwargs)
    rate = given.get("dropout_p", 0.0) if function in ATTENTION else given.get("p", 0.5)
    training = given.get("training", given.get("train", True))
    return float(rate) if training else 0.0


class Noting(TorchFunctionMode):
    """Within, each call of one of the functions is noted, with the module that is at work."""

    def __init__(self, model: nn.Module, at_work: list[str]) -> None:
        super().__init__()
        self.modules, self.at_work = dict(model.named_modules()), at_work
        self.uses: list[Use] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func not in FUNCTIONS:
            return func(*args, **given)
        rate, entered = dropped(func, args, given), kept(first_tensor((args, given)), own=True)
        output = func(*args, **given)
        owner = self.at_work[-1] if self.at_work else ""
        left = kept(first_tensor(output), own=True)
        self.uses.append(Use(FUNCTIONS[func], owner, self.modules[owner], rate, entered, left))
        return output


class Undropped(TorchFunctionMode):
    """Within, dropout functions give back what they are given, and attention drops nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func in ATTENTION:
            return func(**{**settings(func, args, given), "dropout_p": 0.0})
        if func in DROPS:
            return settings(func, args, given)["input"]
        return func(*args, **given)


@contextmanager
def noted(model: nn.Module) -> Iterator[list[Use]]:
    """Within, the uses of functions by the model's modules are noted, in order."""
    at_work: list[str] = []

    def enter(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            at_work.append(name)

        return hook

    def leave(*_: Any) -> None:
        at_work.pop()

    hooks = []
    for name, module in hookable(model):
        hooks.append(module.register_forward_pre_hook(enter(name)))
        hooks.append(module.register_forward_hook(leave))
    try:
        with Noting(model, at_work) as noting:
            yield noting.uses
    finally:
        for each in hooks:
            each.remove()
