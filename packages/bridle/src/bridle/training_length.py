"""The length of a training that is left open: twice as long, from the start, as long as that helps.

Both engines train runs of a fixed length; this decides which lengths. It is early stopping with the best weights
restored: of one length the best epoch is kept, and of all lengths the best one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bridle.metric_info import Criterion
from bridle.protocol import Protocol, Variant
from bridle.results import Run, TrainingLength

__all__ = ["WORTH", "ends_late", "find_lengths", "improves"]

# Twice the epochs must take away this share of what is left to gain, or they are not worth going on for: the luck of
# the best among many epochs alone is often as large.
WORTH = 0.01

TrainLength = Callable[[Sequence[Variant], Protocol], Iterator[Run]]  # yields each run when it is finished


def find_lengths(
    variants: Sequence[Variant], protocol: Protocol, rows: int, criterion: Criterion, train: TrainLength
) -> Iterator[Run]:
    """Yield the best run of each variant over the lengths of the protocol, as soon as it is known.

    ``train`` trains variants under a protocol of fixed length. A variant is not trained longer once its run diverged,
    did not improve on the shorter one, or was at its best before half of its epochs: it overfits. Runs of a fixed
    length are passed on as they are.
    """
    if protocol.epochs is not None:
        yield from train(variants, protocol)
        return
    best: dict[Variant, Run] = {}
    active, lengths = list(variants), protocol.lengths(rows)
    for epochs in lengths:
        found = {each.key: each for each in active}
        active = []
        for run in train(list(found.values()), protocol.with_length(epochs)):
            variant = found[run.key]
            known = best.get(variant)
            best[variant] = better_run(run, epochs, known, criterion)
            if epochs < lengths[-1] and goes_on(run, epochs, known, criterion):
                active.append(variant)
            else:
                yield best[variant]
        if not active:
            return


def goes_on(run: Run, epochs: int, known: Run | None, criterion: Criterion) -> bool:
    """Return True where twice the length of this run is worth a try."""
    if not ends_late(run, epochs):
        return False
    return known is None or improves(valid_score(run, criterion), valid_score(known, criterion), criterion)


def ends_late(run: Run, epochs: int) -> bool:
    """Return True for a run that was at its best in the second half of its epochs; one that diverged was not."""
    return run.diverged_at is None and (run.best_epoch or epochs) > epochs / 2


def better_run(run: Run, epochs: int, known: Run | None, criterion: Criterion) -> Run:
    """Return the better of the newest run and the best of the shorter ones, with all lengths that were tried."""
    tried = [*(known.lengths if known else []), describe_length(run, epochs, criterion)]
    newest_is_better = known is None or criterion.is_better(valid_score(run, criterion), valid_score(known, criterion))
    seconds = run.seconds + (known.seconds if known else 0.0)
    return replace(run if known is None or newest_is_better else known, lengths=tried, seconds=seconds)


def describe_length(run: Run, epochs: int, criterion: Criterion) -> TrainingLength:
    """Describe what one length gave."""
    curve = run.curves.get(f"valid_{criterion.curve}", [])
    last = curve[-1] if curve and run.diverged_at is None else math.nan
    return TrainingLength(epochs, run.best_epoch or epochs, valid_score(run, criterion), last)


def valid_score(run: Run, criterion: Criterion) -> float:
    """Return the score by which lengths are chosen."""
    return run.scores["valid"][criterion.name]


def improves(score: float, known: float, criterion: Criterion) -> bool:
    """Return True where a score is better by what is worth twice the epochs.

    >>> log_loss = Criterion("log_loss", higher_is_better=False)
    >>> improves(0.300, 0.310, log_loss), improves(0.3095, 0.310, log_loss)
    (True, False)
    """
    return criterion.improvement(score, known) > WORTH
