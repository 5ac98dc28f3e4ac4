"""Outputs that are probabilities, in front of a loss that wants logits."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from bridle_audit.findings import Finding
from bridle_audit.probe.copying import copied
from bridle_audit.probe.forward import run_pass
from bridle_audit.probe.measured_loss import MeasuredLoss
from bridle_audit.probe.setup import Setup
from bridle_audit.rules.softmax_before_cross_entropy.finding import CURE

SUM = 1e-3  # how far a row's sum may be from 1: half precision
FACTORS = (10.0, -10.0)  # for all weights: what still lies between 0 and 1 has been squashed


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for outputs that are probabilities before a loss that takes logits."""
    loss = setup.loss
    if loss is None or not loss.takes_logits or loss.logits.min() < 0 or loss.logits.max() > 1:
        return
    sums = sums_to_one(loss)
    lowest, highest = float(loss.logits.min()), float(loss.logits.max())
    if not sums and (lowest == highest or not is_squashed(setup)):
        return
    floor = loss_floor(loss)
    rows = "each row sums to 1" if sums else "also when all weights are multiplied by 10"
    yield Finding(
        "the model's output",
        f"all outputs lie between {lowest:.3g} and {highest:.3g}, {rows}: these are probabilities, and the loss takes "
        f"the {'softmax' if loss.is_cross_entropy else 'sigmoid'} once more; it cannot fall below {floor:.3f}",
        CURE,
        {"lowest": lowest, "highest": highest, "floor": floor},
    )


def sums_to_one(loss: MeasuredLoss) -> bool:
    """Return True if the outputs of every row sum to 1 over the classes."""
    if loss.class_axis is None:
        return False
    return bool(((loss.logits.float().sum(loss.class_axis) - 1).abs() < SUM).all())


def is_squashed(setup: Setup) -> bool:
    """Return True if the outputs stay in [0, 1] when all weights are multiplied by 10 or by -10."""
    if setup.batch is None:
        return False
    for factor in FACTORS:
        model = copied(setup.model)
        with torch.no_grad():
            for each in model.parameters():
                each.mul_(factor)
        logits = run_pass(model, setup.batch, None, training=False).logits
        if logits is None or not bool(((logits >= 0) & (logits <= 1)).all()):
            return False
    return True


def loss_floor(loss: MeasuredLoss) -> float:
    """Return the lowest loss that probabilities can reach: 1 for the right class, 0 for the rest."""
    best = loss.y if loss.class_ids is None else torch.zeros_like(loss.logits)
    if loss.class_ids is not None and loss.class_axis is not None:
        best.scatter_(loss.class_axis, loss.class_ids.unsqueeze(loss.class_axis), 1.0)
    value = loss.value(best.to(loss.logits))
    return math.log(1 + (loss.class_count - 1) / math.e) if value is None else value
