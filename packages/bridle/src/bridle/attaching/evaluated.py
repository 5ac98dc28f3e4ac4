"""The model as it is evaluated: with averaged weights, or as all copies of an ensemble together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from bridle.attaching.assembly import Assembly
from bridle.attaching.statistics import frozen_norms, measure
from bridle.attaching.targets import Averaged, Statistic


class Evaluated:
    """Puts into a model what is evaluated, and the weights that train back."""

    def __init__(self, parts: Assembly) -> None:
        self.parts, self.model = parts, parts.model
        self.is_in = False  # whether the averages are in the model
        self.measured: list[tuple[Averaged, Tensor]] = []  # statistics that they were last evaluated with
        self.frozen_norms: set[nn.Module] = set()  # which rested in the last step

    @property
    def reestimates(self) -> bool:
        """Whether running statistics are measured anew for the averages."""
        return any(average.unit.reestimates for average in self.parts.averages)

    def stepped(self) -> None:
        """The optimizer has taken its step."""
        self.measured = []
        if self.reestimates:
            self.frozen_norms = frozen_norms(self.model)

    @contextmanager
    def averaged(self, batches: Iterable[Any] | None) -> Iterator[None]:
        """Within, the averages are in the model if they are not, with statistics of these batches if there are any."""
        if self.is_in or not (self.parts.averages or self.parts.copies):
            yield
            return
        self.measured = []
        with self.shown(batches):
            yield

    @contextmanager
    def shown(self, batches: Iterable[Any] | None = None) -> Iterator[None]:
        """Within, the averages are in the model; without batches, with the statistics that were measured for them."""
        parts = self.parts
        members = [each for average in parts.averages for bucket in average.buckets for each in bucket.targets]
        with torch.no_grad():
            kept = [each.tensor.clone() for each in members]
            for average in parts.averages:
                average.put_in()
            for each, value in self.measured:
                each.tensor.copy_(value)
        self.is_in = True
        try:
            if batches is not None and self.reestimates:
                measure(self.model, batches, self.frozen_norms)
                self.measured = [(each, each.tensor.clone()) for each in members if isinstance(each, Statistic)]
            with ExitStack() as together:
                for copies in parts.copies:
                    together.enter_context(copies.together())
                yield
        finally:
            self.is_in = False
            with torch.no_grad():
                for each, value in zip(members, kept, strict=True):
                    each.tensor.copy_(value)

    def weights(self, batches: Iterable[Any] | None = None) -> dict[str, Tensor]:
        """All that the model holds as it is evaluated, as copies."""
        with nullcontext() if self.is_in else self.shown(batches):
            return {name: each.detach().clone() for name, each in self.model.state_dict().items()}
