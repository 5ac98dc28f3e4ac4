"""The copies of the network that an ensemble keeps, and what they give out together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bridle.attaching.targets import Averaged, Moment, Statistic, Target
from bridle.errors import InputError
from bridle.places import Ensemble


class Copies:
    """The copies of the network that an ensemble keeps."""

    def __init__(self, unit: Ensemble, model: nn.Module, members: Sequence[Averaged]) -> None:
        self.unit, self.model, self.members = unit, model, members
        self.copies: list[dict[str, Tensor]] = []
        self.busy = False

    def take_in(self, targets: Sequence[Target]) -> None:
        """Copy these from now on; what has come was in the copies before as it is now."""
        self.members = [*targets, *(each for each in self.members if isinstance(each, Statistic))]
        for copy in self.copies:
            for each in targets:
                copy.setdefault(each.name, each.tensor.clone())

    def update(self, moment: Moment) -> None:
        """Take a copy, if this is the step for it."""
        assert moment.steps is not None
        if self.unit.takes(moment.step, moment.steps):
            self.copies.append({each.name: each.tensor.clone() for each in self.members})

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within, the model gives out what all copies say together, if there are any."""
        if not self.copies:
            yield
            return
        handle = self.model.register_forward_hook(self.hook, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def hook(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        """The hook behind the model's forward."""
        if self.busy:
            return output
        names = {id(tensor): name for name, tensor in (*model.named_parameters(), *model.named_buffers())}
        self.busy = True
        try:
            outputs = []
            for copy in self.copies:
                values = {
                    names[id(each.stored)]: copy[each.name].to(each.tensor.device)
                    for each in self.members
                    if each.name in copy
                }
                outputs.append(functional_call(model, values, args, kwargs))
        finally:
            self.busy = False
        if not isinstance(output, Tensor):
            raise InputError(
                f"{self.unit!r} joins outputs that are tensors, and the model gives {type(output).__name__}"
            )
        return type(self.unit).torch(torch.stack(outputs))
