"""The record of a watched loop, as plain data: the evidence that a rule's ``watch.py`` checks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AverageRecord",
    "FrozenParameterRecord",
    "LayerRecord",
    "LoopRecord",
    "ModeRecord",
    "RepeatedBatchRecord",
    "UndecayedWeightRecord",
    "ValidationRecord",
]


@dataclass(frozen=True)
class LayerRecord:
    """The calls of a layer whose two modes differ: a dropout, or a norm with statistics of the batch."""

    name: str
    kind: str  # "dropout" or "norm"
    type: str  # its class
    rate: float | None = None  # the share dropped; None where that is not known, and for a norm
    training_calls: int = 0  # in training mode, with gradients
    evaluation_calls: int = 0  # in evaluation mode, with gradients
    no_grad_calls: int = 0  # in training mode, without gradients
    frozen_batches: int = 0  # that moved the running statistics though the norm and all that feeds it are frozen
    shift: float = 0.0  # by which these have moved the running mean, in standard deviations: root mean square
    fewest_rows: int | None = None  # that a batch norm met in training mode; None where it met none
    fewest_values: int | None = None  # the same per channel: rows times positions
    few_row_batches: int = 0  # of a batch norm, with at most two rows
    few_value_batches: int = 0  # of a batch norm, with at most two values per channel


@dataclass(frozen=True)
class ModeRecord:
    """The optimizer's steps, counted by the mode of the passes before them."""

    training_steps: int = 0  # after a pass in training mode
    evaluation_steps: int = 0  # with the whole model in evaluation mode, and layers that only act in training mode
    first_evaluation_step: int | None = None  # its number, from 1


@dataclass(frozen=True)
class ValidationRecord:
    """Passes without gradients in training mode, after the first step: validation, as far as one can tell.

    Not counted: estimation of batch norm's statistics (its momentum is another than at the start, or None), the same
    batch three times or more (sampling), a batch that has a pass with gradients as well, and passes within
    ``optimizer.step``.
    """

    passes: int = 0
    statistics_updates: int = 0  # by these passes, each of the running statistics of one norm
    gaps: int = 0  # between two steps, in which there were such passes
    same_batch_gaps: int = 0  # those in which it was the same tensor as in the gap before


@dataclass(frozen=True)
class RepeatedBatchRecord:
    """Steps for which one batch updated running statistics more than once, with other weights in between (SAM)."""

    steps: int = 0
    passes: int = 0  # that updated statistics for these steps


@dataclass(frozen=True)
class AverageRecord:
    """The updates of the averaged model."""

    updates: int = 0
    extra: int = 0  # beyond one for each step of the optimizer
    early: int = 0  # between a pass and the step that follows it
    skipped: int = 0  # for a step that the gradient scaler skipped


@dataclass(frozen=True)
class FrozenParameterRecord:
    """A parameter with ``requires_grad=False`` that steps of the optimizer have moved."""

    name: str
    inspected_steps: int  # since it could move
    change: float  # the norm of its total movement since
    norm: float  # its own before


@dataclass(frozen=True)
class UndecayedWeightRecord:
    """A trained matrix that the optimizer does not decay."""

    name: str
    start_norm: float
    end_norm: float
    alignment: float  # |<w, g>| / (|w| |g|), the largest over some steps: near zero where a norm follows


@dataclass(frozen=True)
class LoopRecord:
    """The record of a watched loop: every count of it."""

    steps: int = 0  # that the optimizer took; one that a gradient scaler skipped is none
    passes: int = 0  # through the model, with gradients
    layers: tuple[LayerRecord, ...] = ()  # in the model's order
    modes: ModeRecord = ModeRecord()
    validation: ValidationRecord = ValidationRecord()
    repeated_batches: RepeatedBatchRecord = RepeatedBatchRecord()
    average: AverageRecord | None = None  # None where none is watched
    frozen_parameters: tuple[FrozenParameterRecord, ...] = ()
    undecayed_weights: tuple[UndecayedWeightRecord, ...] = ()
    learning_rates: tuple[float, float] = (0.0, 0.0)  # the lowest and the highest
