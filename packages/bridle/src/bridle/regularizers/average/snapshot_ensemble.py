"""Snapshot ensemble: several networks for the price of training one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Ensemble
from bridle.schedules import Strength


def snapshot_ensemble_vanilla(z: np.ndarray) -> np.ndarray:
    """Outputs (copies, ..., rows, outputs) -> (..., rows, outputs): those of the mean prediction."""
    if z.shape[-1] == 1:  # a regression
        return np.asarray(z.mean(0))
    z = z - z.max(-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    top = log_p.max(0)  # taken out before exp, which would make small probabilities 0
    return np.asarray(top + np.log(np.exp(log_p - top).mean(0)))


def snapshot_ensemble(z: Tensor) -> Tensor:
    """Outputs (copies, ..., rows, outputs) -> (..., rows, outputs): those of the mean prediction."""
    if z.shape[-1] == 1:
        return z.mean(0)
    return z.log_softmax(-1).logsumexp(0) - math.log(len(z))


@dataclass(frozen=True, repr=False)
class SnapshotEnsemble(Ensemble):
    """Restarts the learning-rate schedule several times and predicts with the networks at the end of all cycles.

    Formula:
        z = log(Σ softmax(z_m) / M) over the M copies,   or Σ z_m / M where there is one output (a regression);
        each of M cycles goes through the schedule from its beginning, and its last step leaves a copy

    Helps when:
        Training is long enough to be cut into cycles that each converge: the restarts lead into different optima, whose
        errors partly cancel, as those of separately trained networks do.

    Hurts when:
        Training is short: every cycle has only its part of it, and each copy alone is worse. A schedule that does not
        end near 0 leaves copies that have not converged. Prediction costs M times as much.

    Conflicts:
        EarlyStopping, GeneralizationLoss: refused. Every cycle must come to its end; drop one of the two.

    Example:
        >>> import torch
        >>> z = torch.tensor([[[0.0, 0.0]], [[9.0, -9.0]]])  # one copy does not know, the other is sure
        >>> SnapshotEnsemble.torch(z).exp()
        tensor([[0.7500, 0.2500]])
        >>> unit = SnapshotEnsemble(cycles=3)
        >>> [unit.takes(step, 10) for step in range(10)].index(True), unit.warped(4, 10)
        (3, (0, 3))

    Paper:
        Huang et al., Snapshot Ensembles: Train 1, get M for free, 2017, https://arxiv.org/abs/1704.00109, equation 2
        and section 3.
    """

    cycles: Strength = knob(
        5.0, "how many cycles, so copies; rounded", low=2.0, open_high=True, known_as=("n_cycles", "num_cycles")
    )

    vanilla = staticmethod(snapshot_ensemble_vanilla)
    torch = staticmethod(snapshot_ensemble)

    def takes(self, step: int, steps: int) -> bool:
        """At the last step of each cycle."""
        within, length = self.warped(step, steps)
        return within + 1 == length

    def warped(self, step: int, steps: int) -> tuple[int, int]:
        """Return the step within its cycle, and the length of the cycle: all are equal but for one step."""
        cycles = min(round(self.numbers()["cycles"]), steps)
        cycle = step * cycles // steps
        begin, end = (-(-number * steps // cycles) for number in (cycle, cycle + 1))  # rounded up
        return step - begin, end - begin
