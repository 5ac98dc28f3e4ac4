"""Reading what is finished, training the rest, and stopping in between."""

import contextlib
from time import perf_counter

import pytest
from made_up import SETTING, run_of

from bridle import Dropout, Recipe
from bridle.comparison.collect import ProgressCounter, collect
from bridle.comparison.store import RunStore
from bridle.protocol import Variant

VARIANTS = [Variant(recipe, seed) for seed in range(3) for recipe in (Recipe(), Recipe.of(Dropout(rate=0.2)))]
STEPS = 10


class Engine:
    """Yields runs without training, last first; interrupts before run number ``stop``."""

    def __init__(self, stop=None):
        self.stop, self.trained = stop, []

    def __call__(self, variants, count):
        for number, variant in enumerate(reversed(variants)):
            if number == self.stop:
                raise KeyboardInterrupt
            count(STEPS)
            self.trained.append(variant)
            yield run_of(variant)


def collected(folder, engine, watch=None):
    """The runs of the variants, those before an interrupt where there is one."""
    store = RunStore(folder, SETTING)
    session, runs = store.session(perf_counter()), []
    with contextlib.suppress(KeyboardInterrupt):
        for run in collect(VARIANTS, engine, store, steps_per_run=STEPS, count=ProgressCounter(watch), session=session):
            runs.append(run)
    return {VARIANTS[[(str(v.recipe), v.seed) for v in VARIANTS].index((run.recipe, run.seed))] for run in runs}


def test_every_variant_gets_its_run_in_whatever_order_they_finish():
    assert collected(None, Engine()) == set(VARIANTS)


def test_an_interrupt_keeps_what_is_finished_and_the_next_call_trains_only_the_rest(tmp_path):
    first, second, third = Engine(stop=4), Engine(), Engine()
    assert collected(tmp_path, first) == set(first.trained) and len(first.trained) == 4
    assert collected(tmp_path, second) == set(VARIANTS)
    assert set(first.trained) | set(second.trained) == set(VARIANTS) and len(second.trained) == 2
    assert collected(tmp_path, third) == set(VARIANTS) and third.trained == []


def test_an_interrupt_with_runs_of_an_earlier_call_gives_those(tmp_path):
    collected(tmp_path, Engine(stop=3))
    assert len(collected(tmp_path, Engine(stop=0))) == 3


def test_an_interrupt_while_a_run_is_saved_loses_none_that_is_on_the_disk(tmp_path, monkeypatch):
    write = RunStore.write

    def interrupted(store, run, variant):
        write(store, run, variant)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RunStore, "write", interrupted)
        assert len(collected(tmp_path, Engine())) == 1
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_runs_that_are_read_come_before_anything_is_trained(tmp_path):
    collected(tmp_path, Engine(stop=3))
    store, engine = RunStore(tmp_path, SETTING), Engine()
    session = store.session(perf_counter())
    found = collect(VARIANTS, engine, store, steps_per_run=STEPS, count=ProgressCounter(), session=session)
    assert [next(found).recipe for _ in range(3)] and engine.trained == []
    assert len(list(found)) == 3 and len(engine.trained) == 3


def test_a_crash_loses_no_finished_run(tmp_path):
    class Crash(Engine):
        def __call__(self, variants, count):
            yield from super().__call__(variants[:2], count)
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        collected(tmp_path, Crash())
    rest = Engine()
    collected(tmp_path, rest)
    assert len(rest.trained) == len(VARIANTS) - 2


def test_progress_counts_to_the_total_and_read_runs_are_done_from_the_start(tmp_path):
    collected(tmp_path, Engine(stop=2))
    heard = []
    collected(tmp_path, Engine(), lambda done, total: heard.append((done, total)))
    assert heard == [(done, 60) for done in (20, 30, 40, 50, 60)]
