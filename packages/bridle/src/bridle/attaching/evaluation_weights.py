"""The weights that are evaluated: averages, or the snapshots of an ensemble."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from bridle.attaching.assembly import Assembly
from bridle.attaching.running_statistics import frozen_norms, measure_statistics
from bridle.attaching.trained_parameters import AveragedBuffer, AveragedTensor

__all__ = ["EvaluationWeights"]


class EvaluationWeights:
    """Swaps the evaluated weights into a model, and the trained ones back."""

    def __init__(self, parts: Assembly) -> None:
        self.parts, self.model = parts, parts.model
        self.active = False  # whether the averages are in the model
        self.measured: list[tuple[AveragedTensor, Tensor]] = []  # statistics that they were last evaluated with
        self.frozen_norms: set[nn.Module] = set()  # which rested in the last step

    @property
    def reestimates(self) -> bool:
        """Return True if running statistics are re-estimated for the averages."""
        return any(average.unit.reestimates for average in self.parts.averages)

    def after_step(self) -> None:
        """Drop re-estimated statistics after a step of the optimizer."""
        self.measured = []
        if self.reestimates:
            self.frozen_norms = frozen_norms(self.model)

    @contextmanager
    def averaged(self, batches: Iterable[object] | None) -> Iterator[None]:
        """Have the averages in the model within the context, with statistics of these batches if there are any."""
        if self.active or not (self.parts.averages or self.parts.ensembles):
            yield
            return
        self.measured = []
        with self.swapped_in(batches):
            yield

    @contextmanager
    def swapped_in(self, batches: Iterable[object] | None = None) -> Iterator[None]:
        """Swap the averages in within the context; without batches, with the statistics re-estimated last."""
        parts = self.parts
        members = [each for average in parts.averages for bucket in average.buckets for each in bucket.parameters]
        with torch.no_grad():
            kept = [each.tensor.clone() for each in members]
            for average in parts.averages:
                average.copy_to_model()
            for each, value in self.measured:
                each.tensor.copy_(value)
        self.active = True
        try:
            if batches is not None and self.reestimates:
                measure_statistics(self.model, batches, self.frozen_norms)
                self.measured = [(each, each.tensor.clone()) for each in members if isinstance(each, AveragedBuffer)]
            with ExitStack() as stack:
                for ensemble in parts.ensembles:
                    stack.enter_context(ensemble.predicting_jointly())
                yield
        finally:
            self.active = False
            with torch.no_grad():
                for each, value in zip(members, kept, strict=True):
                    each.tensor.copy_(value)

    def weights(self, batches: Iterable[object] | None = None) -> dict[str, Tensor]:
        """Return a copy of the model's state dict as it is evaluated."""
        with nullcontext() if self.active else self.swapped_in(batches):
            return {name: each.detach().clone() for name, each in self.model.state_dict().items()}
