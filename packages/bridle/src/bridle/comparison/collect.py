"""Runs that are finished already are read, the others are trained and saved one by one as they are finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridle.comparison.sessions import Session
from bridle.comparison.stack_checkpoints import StackCheckpoints
from bridle.comparison.store import RunStore
from bridle.protocol import Progress, Variant
from bridle.results import Run

__all__ = ["Watch", "collect"]

Watch = Callable[[int, int], None]  # told how many steps of single runs are done, and how many there are in all
Trainer = Callable[[Sequence[Variant], Progress], Iterator[Run]]  # yields each run when it is finished, in any order


@dataclass
class ProgressCounter:
    """Count steps that the engine reports as "n more" towards the total, for a watcher."""

    watch: Watch | None
    total: int
    done: int = 0

    def __call__(self, steps: int) -> None:
        """Take note of ``steps`` more, and tell."""
        self.done += steps
        if self.watch is not None:
            self.watch(self.done, self.total)


def collect(
    variants: Sequence[Variant],
    train: Trainer,
    store: RunStore,
    *,
    steps_per_run: int,
    watch: Watch | None,
    session: Session,
    stacks: StackCheckpoints | None,
) -> dict[Variant, Run]:
    """Return the run of each variant; fewer after an interrupt, if any is finished (else ``KeyboardInterrupt``).

    ``session`` notes the time that training takes; ``stacks`` knows what is kept of runs that are not finished.
    """
    runs = finished_runs(store, variants)
    missing = {(str(variant.recipe), variant.seed): variant for variant in variants if variant not in runs}
    if not missing:
        return runs
    count = ProgressCounter(watch, len(variants) * steps_per_run)
    count(len(runs) * steps_per_run)
    try:
        for run in train(list(missing.values()), count):
            variant = missing[run.recipe, run.seed]
            runs[variant] = run
            store.write(run, variant)
            session.note()
        # Another process that works on the same study may have finished runs of a stack that was gone on with here.
        runs |= finished_runs(store, [variant for variant in missing.values() if variant not in runs])
    except KeyboardInterrupt as interrupt:
        if not runs:
            raise KeyboardInterrupt(interrupt_message(count, store.folder, stacks.kept if stacks else 0)) from interrupt
    finally:
        session.note(now=True)
    return runs


def finished_runs(store: RunStore, variants: Sequence[Variant]) -> dict[Variant, Run]:
    """Return the runs that are finished already."""
    return {variant: run for variant in variants if (run := store.read(variant)) is not None}


def interrupt_message(count: ProgressCounter, folder: Path | None, kept: int) -> str:
    """Return the message of an interrupt before any run is finished: what is kept, and how to go on."""
    far = f"Stopped after {count.done} of {count.total} steps of single runs, before any run was finished."
    if folder is None:
        return f"{far} Nothing is kept; with out=FOLDER a comparison goes on from where it was interrupted."
    if not kept:
        return f"{far} Nothing is kept of so short a training yet; the same command begins again."
    return f"{far} {kept} of the steps are kept in {folder}: the same command goes on from there."
