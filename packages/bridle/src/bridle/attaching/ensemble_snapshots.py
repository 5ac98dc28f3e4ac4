"""The snapshots of the network that an ensemble keeps, and their joint prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bridle.attaching.trained_parameters import AveragedBuffer, AveragedTensor, TrainedParameter
from bridle.attaching.training_progress import TrainingProgress
from bridle.errors import InputError
from bridle.places import Ensemble

__all__ = ["EnsembleSnapshots"]


class EnsembleSnapshots:
    """The snapshots of the network that one ensemble keeps."""

    def __init__(self, unit: Ensemble, model: nn.Module, members: Sequence[AveragedTensor]) -> None:
        self.unit, self.model, self.members = unit, model, members
        self.snapshots: list[dict[str, Tensor]] = []
        self.is_predicting = False

    def set_parameters(self, parameters: Sequence[TrainedParameter]) -> None:
        """Copy these parameters from now on; a new one joins the earlier snapshots at its current value."""
        self.members = [*parameters, *(each for each in self.members if isinstance(each, AveragedBuffer))]
        for copy in self.snapshots:
            for each in parameters:
                copy.setdefault(each.name, each.tensor.clone())

    def update(self, progress: TrainingProgress) -> None:
        """Take a snapshot, if this is a step for one."""
        assert progress.steps is not None
        if self.unit.takes(progress.step, progress.steps):
            self.snapshots.append({each.name: each.tensor.clone() for each in self.members})

    @contextmanager
    def predicting_jointly(self) -> Iterator[None]:
        """Let the model return the joint prediction of all snapshots within the context, if there are any."""
        if not self.snapshots:
            yield
            return
        handle = self.model.register_forward_hook(self.predict_jointly, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def predict_jointly(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        """Replace the model's output by the joint prediction: a forward hook."""
        if self.is_predicting:
            return output
        names = {id(tensor): name for name, tensor in (*model.named_parameters(), *model.named_buffers())}
        self.is_predicting = True
        try:
            outputs = []
            for copy in self.snapshots:
                values = {
                    names[id(each.stored)]: copy[each.name].to(each.tensor.device)
                    for each in self.members
                    if each.name in copy
                }
                outputs.append(functional_call(model, values, args, kwargs))
        finally:
            self.is_predicting = False
        if not isinstance(output, Tensor):
            raise InputError(
                f"{self.unit!r} joins outputs that are tensors, and the model gives {type(output).__name__}"
            )
        return type(self.unit).torch(torch.stack(outputs))
