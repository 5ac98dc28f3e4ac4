"""One row that the model was called with, on which can be tried what its forward does with its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bridle.attaching.calling import call_of, one_row
from bridle.attaching.tape import resting
from bridle.modes import eval_mode
from bridle.module_sites import IOShapes, trace_shapes


class Sample:
    """The first row of the first batch that a model was called with, or that of an example."""

    def __init__(self, example: Any) -> None:
        self.args, self.kwargs = ((), {}) if example is None else rows_of(*call_of(example))
        self.shown = False  # whether it is of a pass

    def hook(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The hook before the model's forward."""
        if not self.shown and not torch.compiler.is_compiling():
            self.args, self.kwargs = rows_of(args, kwargs)
            self.shown = True

    @property
    def given(self) -> bool:
        """Whether there is a row."""
        return bool(self.args or self.kwargs)

    def run(self, model: nn.Module) -> tuple[list[Tensor], dict[str, IOShapes]] | None:
        """What the model gives out for the row in evaluation mode, and its parts' shapes; ``None`` if it fails."""
        if not self.given:
            return None
        devices = [*{each.device.index or 0 for each in model.parameters() if each.is_cuda}]
        try:
            with eval_mode(model), resting(model), torch.random.fork_rng(devices), torch.no_grad():
                output, shapes = trace_shapes(model, lambda: model(*self.args, **self.kwargs))
        except Exception:  # whatever the user's code may raise, where its weights are no numbers too
            return None
        return [each for each in tree_leaves(output) if isinstance(each, Tensor)], shapes

    def read_past(self, model: nn.Module, parts: Sequence[nn.Module]) -> list[nn.Module]:
        """Those of the parts whose weights the model reads without calling them; all, where it cannot be said."""
        outputs = self.run(model)
        if outputs is None or not outputs[0]:
            return []
        found = []
        for part in parts:
            with unreadable(part):
                seen = self.run(model)
            if seen is None or not same(seen[0], outputs[0]):
                found.append(part)
        return found

    def goes_past(self, model: nn.Module, part: nn.Module) -> bool:
        """Whether the model runs the forward of a part without calling it, or it cannot be said."""
        past: list[bool] = []
        with watching(part, past):
            return self.run(model) is None or any(past)


def rows_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The first row of all tensors of a call, as copies."""
    return tuple(map(copied, args)), {name: copied(each) for name, each in kwargs.items()}


def copied(value: Any) -> Any:
    """A copy of the first row of a tensor; anything else as it is."""
    return one_row(value).detach().clone() if isinstance(value, Tensor) else value


def same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Whether two outputs are the same, whatever is not a number in both of them."""
    return len(one) == len(other) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )


@contextmanager
def unreadable(part: nn.Module) -> Iterator[None]:
    """Within, the part computes what it does, and whoever reads its parameters elsewhere finds no numbers."""
    own, made = type(part).forward, part._modules.get("parametrizations")
    holders = [part, *(made.modules() if made is not None else ())]
    kept = [(each, dict(each._parameters)) for each in holders]

    def forward(*args: Any, **kwargs: Any) -> Any:
        if past[-1:] == [True]:  # as it goes past what stands beside the part
            return own(part, *args, **kwargs)
        for each, parameters in kept:
            each._parameters.update(parameters)
        try:
            return own(part, *args, **kwargs)
        finally:
            blind()

    def blind() -> None:
        for each, parameters in kept:
            for name, parameter in parameters.items():
                if parameter is not None:
                    each._parameters[name] = nn.Parameter(torch.full_like(parameter, torch.nan), requires_grad=False)

    past: list[bool] = []
    blind()
    try:
        with watching(part, past, forward):
            yield
    finally:
        for each, parameters in kept:
            each._parameters.update(parameters)


@contextmanager
def watching(part: nn.Module, past: list[bool], forward: Callable[..., Any] | None = None) -> Iterator[None]:
    """Within, it is noted of each run of a part's forward, or of another in its place, whether it went past a call."""
    own, called = forward or part.forward, [False]

    def noted(*args: Any, **kwargs: Any) -> Any:
        past.append(not called[0])
        called[0] = False
        return own(*args, **kwargs)

    def hook(part: nn.Module, args: tuple[Any, ...]) -> None:
        called[0] = True

    before = vars(part).get("forward")
    handle = part.register_forward_pre_hook(hook)
    part.forward = noted
    try:
        yield
    finally:
        handle.remove()
        if before is None:
            del part.forward
        else:
            part.forward = before
