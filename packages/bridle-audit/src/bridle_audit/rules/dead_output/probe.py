"""Outputs that are constant over the batch and have no gradient for any weight matrix."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bridle_audit.findings import Finding
from bridle_audit.probe.batch import logits_of
from bridle_audit.probe.copying import copied
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names

CURE = "nn.init.kaiming_normal_(layer.weight); nn.init.zeros_(layer.bias)  # start anew, with a smaller learning rate"
MASKED = -1e3  # an output below is switched off on purpose
MOST = 16  # outputs that are looked at one by one


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for outputs that are constant over the batch and have no gradient."""
    outputs = outputs_by_unit(setup)
    if outputs is None or outputs.shape[1] < 4:
        return
    still = [unit for unit, values in enumerate(outputs) if is_constant(values)]
    dead = [unit for unit in still[:MOST] if unit in units_without_gradient(setup, still[:MOST])]
    wants_logits = setup.loss is not None and setup.loss.takes_logits
    if not dead or (not wants_logits and len(still) < len(outputs)):  # a ReLU in front of other losses may be meant
        return
    names, value = first_names(list(map(str, dead))), float(outputs[dead[0], 0])
    yield Finding(
        "the model's output",
        f"{len(dead)} of {len(outputs)} outputs are the same in all {outputs.shape[1]} rows ({names}: {value:.3g}), "
        "and no weight has a gradient from them",
        CURE,
        {"dead": float(len(dead)), "outputs": float(len(outputs))},
    )


def outputs_by_unit(setup: Setup) -> Tensor | None:
    """Return the outputs in evaluation mode as (units, rows); None if the axis of the units is unknown."""
    logits = setup.evaluation.logits if setup.evaluation else None
    axis = setup.loss.class_axis if setup.loss else None
    if logits is None or logits.ndim < 2 or (axis is None and logits.ndim != 2):
        return None
    return logits.movedim(1 if axis is None else axis, 0).flatten(1)


def is_constant(values: Tensor) -> bool:
    """Return True if an output has the same value in every row and is not masked."""
    return bool((values == values[0]).all()) and float(values[0]) > MASKED


def units_without_gradient(setup: Setup, units: list[int]) -> list[int]:
    """Return the units whose output has no gradient for any weight matrix."""
    if setup.batch is None or not units:
        return []
    model = copied(setup.model).eval().requires_grad_()
    axis = setup.loss.class_axis if setup.loss and setup.loss.class_axis is not None else 1
    with torch.enable_grad():
        logits = logits_of(setup.batch.clone().call(model))
        matrices = [each for each in model.parameters() if each.ndim > 1]
        if logits is None or not logits.requires_grad or not matrices:
            return []
        noise = torch.linspace(1, 2, logits.numel()).view_as(logits).to(logits)
        weighed = (
            (logits * noise).movedim(axis, 0).flatten(1).sum(1)
        )  # rows of another weight each, so that none cancel
        return [unit for unit in units if not has_gradient(weighed[unit], matrices)]


def has_gradient(value: Tensor, weights: list[torch.nn.Parameter]) -> bool:
    """Return True if a value has a gradient other than zero for any of the weights."""
    slopes = torch.autograd.grad(value, weights, allow_unused=True, retain_graph=True)
    return any(each is not None and bool(each.to_dense().any()) for each in slopes)
