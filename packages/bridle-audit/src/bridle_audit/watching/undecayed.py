"""Matrices that are trained without weight decay: their norms, and their gradients along them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from bridle_audit.watching.record import UndecayedWeightRecord

__all__ = ["UndecayedWeights"]

MEASUREMENTS = 3  # of the gradients along the weights


class UndecayedWeights:
    """Watches the matrices that are trained without weight decay, and the learning rates.

    A weight in front of a norm has no gradient along itself, as its scale changes nothing: <w, g> = 0 (van Laarhoven,
    2017, section 2). So it is found by its gradient, whatever the model looks like.
    """

    def __init__(self, names: dict[int, str], optimizer: Optimizer) -> None:
        undecayed = [
            each
            for group in optimizer.param_groups
            if not group.get("weight_decay")
            for each in group["params"]
            if each.ndim > 1 and each.requires_grad and each.is_floating_point() and not each.is_inference()
        ]
        self.weights = [each for each in undecayed if type(each) in (Tensor, nn.Parameter)]  # whole on this device
        self.names = [names[id(each)] for each in self.weights]
        self.start_norms = self.norms()
        self.measurements = 0
        self.alignments: list[list[Tensor]] = [[] for _ in self.weights]
        self.lowest_lr, self.highest_lr = math.inf, -math.inf

    @torch.no_grad()
    def norms(self) -> list[Tensor]:
        """Return the norm of each weight, on the weight's device: nothing waits for an accelerator."""
        return [each.detach().float().norm() for each in self.weights]

    def before_step(self, optimizer: Optimizer, step: int) -> None:
        """Note the learning rates, and measure the gradients before some of the steps."""
        self.note_learning_rates(optimizer)
        if step > 1 and self.measurements < MEASUREMENTS:
            self.measurements += 1
            self.measure_alignments()

    def note_learning_rates(self, optimizer: Optimizer) -> None:
        """Note the present learning rates of the groups."""
        rates = [float(group.get("lr", 0.0)) for group in optimizer.param_groups]
        self.lowest_lr, self.highest_lr = min(self.lowest_lr, *rates), max(self.highest_lr, *rates)

    @torch.no_grad()
    def measure_alignments(self) -> None:
        """Measure the cosine between each weight and its gradient."""
        for each, found in zip(self.weights, self.alignments, strict=True):
            if each.grad is not None and each.grad.layout == torch.strided:
                w, g = each.detach().float().flatten(), each.grad.float().flatten()
                found.append(w.dot(g).abs() / (w.norm() * g.norm()))

    @property
    def records(self) -> tuple[UndecayedWeightRecord, ...]:
        """The weights that were measured at least twice, with a gradient that is not zero."""
        end_norms = self.norms()
        found = []
        for name, start, end, cosines in zip(self.names, self.start_norms, end_norms, self.alignments, strict=True):
            largest = max((float(each) for each in cosines), default=math.nan)
            if len(cosines) > 1 and math.isfinite(largest):
                found.append(UndecayedWeightRecord(name, float(start), float(end), largest))
        return tuple(found)

    @property
    def learning_rates(self) -> tuple[float, float]:
        """The lowest and the highest learning rate so far."""
        return (self.lowest_lr, self.highest_lr) if math.isfinite(self.lowest_lr) else (0.0, 0.0)
