"""Runs that are finished already are read, the others are trained and saved one by one as they are finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridle.comparison.asked import how_to_go_on
from bridle.comparison.models import ModelStore
from bridle.comparison.sessions import Session
from bridle.comparison.store import RunStore
from bridle.protocol import Progress, Variant
from bridle.results import Run

__all__ = ["ProgressCounter", "Watch", "collect", "interrupt_message"]

Watch = Callable[[int, int], None]  # told how many steps of single runs are done, and how many there are in all
Trainer = Callable[[Sequence[Variant], Progress], Iterator[Run]]  # yields each run when it is finished, in any order


@dataclass
class ProgressCounter:
    """Count steps that the engine reports as "n more" towards the total so far, for a watcher."""

    watch: Watch | None = None
    total: int = 0
    done: int = 0
    runs: int = 0  # finished ones, those of trials and of lengths that are not kept as well

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
    count: ProgressCounter,
    session: Session,
    models: ModelStore | None = None,
) -> Iterator[Run]:
    """Yield the run of each variant: first those that are finished already, then each when it is trained and saved.

    ``train`` is called with the variants that are missing, and reports the steps that it makes to ``count``, which
    learns here how many there will be; those of runs that were read count as done. ``session`` notes the time, and
    ``models`` keeps weights: before the run is saved, as it is not trained again then, and the worse ones go after it.
    Raises ``OSError`` where something must be trained and nothing can be written.
    """
    missing = {variant.key: variant for variant in variants}
    for run in finished_runs(store, variants):
        del missing[run.key]
        count.runs += 1
        yield run
    if not missing:
        return
    store.check_writable()
    count.total += len(variants) * steps_per_run
    count((len(variants) - len(missing)) * steps_per_run)
    try:
        for run in train(list(missing.values()), count):
            variant = missing.pop(run.key)
            try:
                saved = save(run, variant, store, models)
                session.note()
            except KeyboardInterrupt:
                yield from finished_runs(store, [variant])  # if it is on the disk it is in the study as well
                raise
            count.runs += 1
            yield saved
        # Another process that works on the same study may have finished runs of a stack that was gone on with here.
        yield from finished_runs(store, list(missing.values()))
    finally:
        session.note(now=True)


def save(run: Run, variant: Variant, store: RunStore, models: ModelStore | None) -> Run:
    """Save a run, its weights before it; return the run that counts."""
    if models is None:
        return store.write(run, variant)
    models.write(run, store.name(run.key))
    saved = store.write(run, variant)
    models.prune(run)
    return saved


def finished_runs(store: RunStore, variants: Sequence[Variant]) -> Iterator[Run]:
    """Yield the runs that are finished already."""
    for variant in variants:
        if (run := store.read(variant)) is not None:
            yield run


def interrupt_message(count: ProgressCounter, folder: Path | None, kept: int) -> str:
    """Return the message of an interrupt before any run counts: what is kept, and how to go on."""
    which = "any run of the comparison itself" if count.runs else "any run"
    far = f"Stopped after {count.done} of {count.total} steps of single runs, before {which} was finished."
    if folder is None:
        return f"{far} Nothing is kept; with out=FOLDER a comparison goes on from where it was interrupted."
    if count.runs:  # those by which strengths, the learning rate or the length were being chosen
        return f"{far} What is trained is kept in {folder}: {how_to_go_on(folder)}."
    if not kept:
        return f"{far} Nothing is kept of so short a training yet; the same command begins again."
    return f"{far} {kept} of the steps are kept in {folder}: {how_to_go_on(folder)}."
