"""What was seen while a loop ran, as plain data: what a rule's ``watched`` check reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerSeen:
    """A layer that acts in another way in training mode: a dropout, or a norm with statistics of the batch.

    Calls are counted in passes with gradients (``trained``, ``rested``) and in those without (``quiet``).
    """

    name: str
    kind: str  # "dropout" or "norm"
    type: str  # its class
    rate: float | None = None  # what is dropped; None where that is not known, and for a norm
    trained: int = 0  # calls in training mode, with gradients
    rested: int = 0  # calls in evaluation mode, with gradients
    quiet: int = 0  # calls in training mode, without gradients
    frozen: int = 0  # batches that moved the running statistics though the norm and all that feeds it are frozen
    shift: float = 0.0  # how far these have moved the running mean, in standard deviations: root mean square
    fewest_rows: int | None = None  # that a batch norm met in training mode; None where it met none
    fewest_values: int | None = None  # the same per channel: rows times positions
    small: int = 0  # calls of a batch norm with at most two rows
    tiny: int = 0  # calls of a batch norm with at most two values per channel


@dataclass(frozen=True)
class ModesSeen:
    """In which mode the passes behind the optimizer's steps ran."""

    trained: int = 0  # steps behind a pass in training mode
    rested: int = 0  # steps with the whole model in evaluation mode, with layers that only act in training mode
    first_rested: int | None = None  # the number of the first of these, from 1


@dataclass(frozen=True)
class QuietSeen:
    """Passes without gradients in training mode, behind the first step: validation, as far as one can tell.

    Not among them: estimation of batch norm's statistics (its momentum is another than at the start, or None), the same
    batch three times or more (sampling), a batch that has a pass with gradients as well, and what runs within
    ``optimizer.step``.
    """

    passes: int = 0
    moves: int = 0  # how often one of them moved the running statistics of a norm
    gaps: int = 0  # gaps between two steps in which there were such passes
    fixed: int = 0  # those in which it was the same tensor as in the gap before


@dataclass(frozen=True)
class TwiceSeen:
    """One batch that moved running statistics more than once for one step, the weights changed in between."""

    steps: int = 0  # for which that happened
    passes: int = 0  # that moved statistics for these steps


@dataclass(frozen=True)
class AverageSeen:
    """When the averaged model was updated."""

    updates: int = 0
    extra: int = 0  # beyond one for each step of the optimizer
    early: int = 0  # between a pass and the step that follows it
    skipped: int = 0  # for a step that the gradient scaler skipped


@dataclass(frozen=True)
class FrozenSeen:
    """A parameter with ``requires_grad=False`` that steps of the optimizer have moved."""

    name: str
    looked: int  # steps that were looked at since it could move
    change: float  # the norm of all that it has moved by since
    norm: float  # its own before


@dataclass(frozen=True)
class WeightSeen:
    """A trained matrix that the optimizer does not decay."""

    name: str
    start: float  # its norm
    end: float
    along: float  # |<w, g>| / (|w| |g|), the largest over some steps: near zero where a norm follows


@dataclass(frozen=True)
class Record:
    """What was seen of a loop."""

    steps: int = 0  # that the optimizer took; one that a gradient scaler skipped is none
    passes: int = 0  # through the model, with gradients
    layers: tuple[LayerSeen, ...] = ()  # in the model's order
    modes: ModesSeen = ModesSeen()
    quiet: QuietSeen = QuietSeen()
    twice: TwiceSeen = TwiceSeen()
    average: AverageSeen | None = None  # None where none is watched
    frozen: tuple[FrozenSeen, ...] = ()
    weights: tuple[WeightSeen, ...] = ()
    rates: tuple[float, float] = (0.0, 0.0)  # the lowest and the highest learning rate that was seen
