"""A sample input of one row, on which the model's forward is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bridle.attaching.model_inputs import as_call_arguments, first_row
from bridle.attaching.pass_recorder import frozen_buffers
from bridle.eval_mode import eval_mode
from bridle.module_sites import IOShapes, trace_shapes

__all__ = ["SampleInput", "outputs_match"]


class SampleInput:
    """The first row of the first batch that a model was called with, or of the example."""

    def __init__(self, example: object) -> None:
        self.args, self.kwargs = ((), {}) if example is None else first_rows(*as_call_arguments(example))
        self.captured = False  # whether it is of a pass

    def capture(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Keep the first row of the first call: a forward pre-hook."""
        if not self.captured and not torch.compiler.is_compiling():
            self.args, self.kwargs = first_rows(args, kwargs)
            self.captured = True

    @property
    def available(self) -> bool:
        """Return True if there is a row."""
        return bool(self.args or self.kwargs)

    def run(self, model: nn.Module) -> tuple[list[Tensor], dict[str, IOShapes]] | None:
        """Return the model's outputs in evaluation mode and the shapes at its modules; ``None`` if it fails."""
        if not self.available:
            return None
        devices = [*{each.device.index or 0 for each in model.parameters() if each.is_cuda}]
        try:
            with eval_mode(model), frozen_buffers(model), torch.random.fork_rng(devices), torch.no_grad():
                output, shapes = trace_shapes(model, lambda: model(*self.args, **self.kwargs))
        except Exception:  # whatever the user's code may raise, where its weights are no numbers too
            return None
        return [each for each in tree_leaves(output) if isinstance(each, Tensor)], shapes

    def modules_read_uncalled(self, model: nn.Module, parts: Sequence[nn.Module]) -> list[nn.Module]:
        """Return the modules whose weights the model reads without calling them; all, if it is unknown."""
        outputs = self.run(model)
        if outputs is None or not outputs[0]:
            return []
        found = []
        for part in parts:
            with hidden_parameters(part):
                seen = self.run(model)
            if seen is None or not outputs_match(seen[0], outputs[0]):
                found.append(part)
        return found

    def bypasses_call(self, model: nn.Module, part: nn.Module) -> bool:
        """Return True if the model runs a module's forward without calling the module, or it is unknown."""
        bypasses: list[bool] = []
        with recording_bypasses(part, bypasses):
            return self.run(model) is None or any(bypasses)


def first_rows(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return copies of the first row of all tensors of a call."""
    return tuple(map(first_row_copy, args)), {name: first_row_copy(each) for name, each in kwargs.items()}


def first_row_copy(value: Any) -> Any:
    """Return a copy of a tensor's first row; other values as they are."""
    return first_row(value).detach().clone() if isinstance(value, Tensor) else value


def outputs_match(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Return True if two outputs are close, with NaN equal to NaN."""
    return len(one) == len(other) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )


@contextmanager
def hidden_parameters(part: nn.Module) -> Iterator[None]:
    """Let a module's parameters be NaN within the context, except in its own forward."""
    original, parametrizations = type(part).forward, part._modules.get("parametrizations")
    holders = [part, *(parametrizations.modules() if parametrizations is not None else ())]
    stored = [(each, dict(each._parameters)) for each in holders]

    def forward(*args: Any, **kwargs: Any) -> Any:
        if bypasses[-1:] == [True]:  # as it goes past what stands beside the part
            return original(part, *args, **kwargs)
        for each, parameters in stored:
            each._parameters.update(parameters)
        try:
            return original(part, *args, **kwargs)
        finally:
            hide()

    def hide() -> None:
        for each, parameters in stored:
            for name, parameter in parameters.items():
                if parameter is not None:
                    each._parameters[name] = nn.Parameter(torch.full_like(parameter, torch.nan), requires_grad=False)

    bypasses: list[bool] = []
    hide()
    try:
        with recording_bypasses(part, bypasses, forward):
            yield
    finally:
        for each, parameters in stored:
            each._parameters.update(parameters)


@contextmanager
def recording_bypasses(
    part: nn.Module, bypasses: list[bool], forward: Callable[..., Any] | None = None
) -> Iterator[None]:
    """Record, for each run of a module's forward within the context, if it was not by a call of the module."""
    original, called = forward or part.forward, [False]

    def recorded(*args: Any, **kwargs: Any) -> Any:
        bypasses.append(not called[0])
        called[0] = False
        return original(*args, **kwargs)

    def note_call(part: nn.Module, args: tuple[Any, ...]) -> None:
        called[0] = True

    before = vars(part).get("forward")
    handle = part.register_forward_pre_hook(note_call)
    part.forward = recorded
    try:
        yield
    finally:
        handle.remove()
        if before is None:
            del part.forward
        else:
            part.forward = before
