"""Parameters with ``requires_grad=False`` that an optimizer holds, and may move all the same."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit.watching.record import FrozenParameterRecord

__all__ = ["FrozenParameters", "parameter_names"]


def parameter_names(model: nn.Module, optimizer: Optimizer) -> dict[int, str]:
    """Return the names of an optimizer's and a model's parameters, by id; a stranger to the model goes by its index."""
    strangers = {
        id(each): f"group {group_index}, parameter {index}"
        for group_index, group in enumerate(optimizer.param_groups)
        for index, each in enumerate(group["params"])
    }
    return {**strangers, **{id(each): name for name, each in model.named_parameters()}}


class FrozenParameter:
    """Watches a parameter that was found frozen in an optimizer."""

    def __init__(self, parameter: Tensor) -> None:
        self.parameter = parameter
        self.start: Tensor | None = None  # its value when it was first seen that it may move
        self.start_version = self.version = parameter._version
        self.inspected_steps = self.moved_steps = 0

    def before_step(self) -> None:
        """Note the version before a step that is inspected, and copy the value if the step may move it."""
        self.version = self.parameter._version
        if self.start is None and (self.parameter.grad is not None or self.moved_steps):
            self.start, self.start_version = self.parameter.detach().clone(), self.version

    def after_step(self) -> None:
        """Count the step, and note if it has moved the parameter."""
        self.inspected_steps += self.start is not None
        self.moved_steps += self.parameter._version != self.version

    def record(self, name: str) -> FrozenParameterRecord | None:
        """Return its movement; None if it rests, is trained again, or was written to between the steps.

        Fused optimizers, and those that write through ``.data``, leave no trace in torch's versions: if there is none
        at all, the values speak.
        """
        is_untraced = self.parameter._version == self.start_version
        if self.start is None or not self.inspected_steps or self.parameter.requires_grad:
            return None
        if not self.moved_steps and not is_untraced:
            return None
        change = float((self.parameter.detach() - self.start.to(self.parameter.device)).double().norm())
        if not change > 0:
            return None
        return FrozenParameterRecord(name, self.inspected_steps, change, float(self.start.double().norm()))


class FrozenParameters:
    """Watches the parameters with ``requires_grad=False`` that an optimizer still holds.

    torch's optimizers pass over a parameter whose ``grad`` is None: only one with a gradient left from earlier can
    move, so copies are made of these alone, and of those that another optimizer is seen to move.
    """

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names
        self.watched: dict[int, FrozenParameter] = {}

    def before_step(self, optimizer: Optimizer) -> None:
        """Take in what is frozen before a step that is inspected."""
        for group in optimizer.param_groups:
            for each in group["params"]:
                if not each.requires_grad and not each.is_inference():
                    self.watched.setdefault(id(each), FrozenParameter(each)).before_step()

    def after_step(self) -> None:
        """Note what the step has moved."""
        for each in self.watched.values():
            each.after_step()

    def clear(self) -> None:
        """Let go of the copies."""
        self.watched.clear()

    @property
    def records(self) -> tuple[FrozenParameterRecord, ...]:
        """The parameters that have moved."""
        every = (each.record(self.names.get(key, "a parameter added later")) for key, each in self.watched.items())
        return tuple(each for each in every if each is not None)
