"""The length of a training that is left open: twice as long, from the start, as long as that helps.

Both engines train runs of a fixed length; this decides which lengths. It is early stopping with the best weights
restored: of one length the best epoch is kept, and of all lengths the best one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bridle.metric_info import curve_metric, higher_is_better
from bridle.protocol import Protocol, Variant
from bridle.results import Run, TrainingLength

__all__ = ["find_lengths", "improves"]

# Twice the epochs must take away this share of what is left to gain, or they are not worth going on for: the noise of
# a few hundred validation rows alone is often as large.
WORTH = 0.005
BOUNDED_BY_ONE = ("accuracy", "balanced_accuracy", "auroc", "r2")

TrainLength = Callable[[Sequence[Variant], Protocol], Iterator[Run]]  # yields each run when it is finished


def find_lengths(
    variants: Sequence[Variant], protocol: Protocol, rows: int, metric: str, train: TrainLength
) -> Iterator[Run]:
    """Yield the best run of each variant over the lengths of the protocol, as soon as it is known.

    ``train`` trains variants under a protocol of fixed length. A variant whose run diverged, or did not improve, is
    not trained longer. Runs of a fixed length are passed on as they are.
    """
    if protocol.epochs is not None:
        yield from train(variants, protocol)
        return
    best: dict[Variant, Run] = {}
    active, lengths = list(variants), protocol.lengths(rows)
    for epochs in lengths:
        found = {(str(each.recipe), each.seed, each.lr): each for each in active}
        active = []
        for run in train(list(found.values()), protocol.with_length(epochs)):
            variant = found[run.recipe, run.seed, run.lr]
            known = best.get(variant)
            best[variant] = with_length(run, known, metric)
            if epochs < lengths[-1] and goes_on(run, known, metric):
                active.append(variant)
            else:
                yield best[variant]
        if not active:
            return


def goes_on(run: Run, known: Run | None, metric: str) -> bool:
    """Return True where twice the length of this run is worth a try."""
    if run.diverged_at is not None:
        return False
    return known is None or improves(valid_score(run, metric), valid_score(known, metric), metric)


def with_length(run: Run, known: Run | None, metric: str) -> Run:
    """Return the better of the newest run and the best of the shorter ones, with all lengths that were tried."""
    tried = [*(known.lengths if known else []), describe_length(run, metric)]
    better = run if known is None or is_better(valid_score(run, metric), valid_score(known, metric), metric) else known
    return replace(better, lengths=tried, seconds=run.seconds + (known.seconds if known else 0.0))


def describe_length(run: Run, metric: str) -> TrainingLength:
    """Describe what one length gave."""
    curve = run.curves.get(f"valid_{curve_metric(metric)}" if metric != "log_loss" else "valid_loss", [])
    epochs = len(run.curves.get("epoch", []))
    last = curve[-1] if curve and run.diverged_at is None else math.nan
    return TrainingLength(epochs, run.best_epoch or epochs, valid_score(run, metric), last)


def valid_score(run: Run, metric: str) -> float:
    """Return the score by which lengths are chosen."""
    return run.scores["valid"][metric]


def is_better(score: float, than: float, metric: str) -> bool:
    """Return True for a finite score that is better; anything is better than nan."""
    if math.isnan(than):
        return True
    return score > than if higher_is_better(metric) else score < than


def improves(score: float, known: float, metric: str) -> bool:
    """Return True where a score is better by what is worth twice the epochs.

    >>> improves(0.300, 0.310, "log_loss"), improves(0.3095, 0.310, "log_loss"), improves(0.91, 0.9, "accuracy")
    (True, False, True)
    """
    gained = score - known if higher_is_better(metric) else known - score
    left = 1 - known if metric in BOUNDED_BY_ONE else abs(known)
    return gained > WORTH * left
