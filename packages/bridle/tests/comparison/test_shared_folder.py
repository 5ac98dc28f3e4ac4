"""Several processes that write into one folder at once, and folders that can only be read."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import torch
from made_up import SETTING, VARIANT, run_of
from torch import nn

from bridle.comparison.hashes import hash_json
from bridle.comparison.models import ModelStore
from bridle.comparison.store import RunStore, stored_runs
from bridle.metric_info import Criterion
from bridle.protocol import Variant

WRITERS, RUNS = 4, 30
VARIANTS = [VARIANT._replace(seed=seed) for seed in range(RUNS)]


def work(folder: Path, number: int, barrier: Any) -> None:
    """Write all runs, each with what tells the writer, beginning at another place than the others."""
    torch.set_num_threads(1)
    store = RunStore.at(folder, SETTING)
    models = ModelStore(folder, "best", {**SETTING, "network": "x"}, Criterion("accuracy", higher_is_better=True))
    session = store.session(perf_counter())
    barrier.wait()
    for variant in VARIANTS[number * 7 :] + VARIANTS[: number * 7]:
        run = own_run(variant, number)
        run.model = nn.Linear(2, 1)
        models.write(run, store.name(run.recipe, run.seed, run.lr))
        kept = store.write(run, variant)
        assert kept.seed == variant.seed and kept.seconds in range(WRITERS)
        models.prune(run)
        session.note(now=True)
        stacks = store.stacks(VARIANTS, session.note)
        assert stacks is not None
        stacks.save(VARIANTS, VARIANTS, 1 + number, 10, bytes([number]) * 5000)
        assert len(set(stacks.load(VARIANTS))) == 1  # somebody's, and whole


def own_run(variant: Variant, number: int) -> Any:
    run = run_of(variant)
    run.seconds = float(number)
    run.scores = {"valid": {"accuracy": (variant.seed * 7 % RUNS) / RUNS, "log_loss": 1.0}}
    return run


def test_processes_at_once_leave_every_run_whole_and_written_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bridle.comparison"])
    barrier = context.Barrier(WRITERS)
    writers = [context.Process(target=work, args=(tmp_path, number, barrier)) for number in range(WRITERS)]
    for each in writers:
        each.start()
    seen: dict[str, tuple[int, bytes]] = {}
    while any(each.is_alive() for each in writers):
        for path in (tmp_path / "runs").glob("*.json"):
            now = path.stat().st_ino, path.read_bytes()
            assert seen.setdefault(path.name, now) == now  # nobody writes it a second time
        time.sleep(0.01)
    for each in writers:
        each.join()
    assert [each.exitcode for each in writers] == [0] * WRITERS
    store = RunStore.at(tmp_path, SETTING)
    runs = [store.read(variant) for variant in VARIANTS]
    assert [run and run.seed for run in runs] == list(range(RUNS))
    assert {run.seconds for run in runs if run} > {0.0}  # not all of one writer
    assert len(list(stored_runs(tmp_path))) == RUNS and len(list((tmp_path / "sessions").iterdir())) == WRITERS
    assert not list(tmp_path.rglob("*.partial")) and not (tmp_path / "set-aside").exists()
    (model,) = (tmp_path / "models").iterdir()
    best = max(VARIANTS, key=lambda variant: variant.seed * 7 % RUNS)
    assert model.stem.endswith(store.name(str(best.recipe), best.seed, best.lr))


def test_the_first_of_two_that_finish_a_run_is_the_one_that_counts(tmp_path: Path) -> None:
    store = RunStore.at(tmp_path, SETTING)
    first, second = (own_run(VARIANT, number) for number in (1, 2))
    first.model, second.model = nn.Linear(1, 1), nn.Linear(1, 1)
    assert store.write(first, VARIANT) is first
    kept = store.write(second, VARIANT)
    assert kept.seconds == 1.0 and kept.model is second.model  # its scores are those of the other's
    second.scores["valid"]["accuracy"] = 0.123
    assert store.write(second, VARIANT).model is None


def test_where_the_disk_knows_no_hard_links_a_run_is_written_once_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*given: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", unknown)
    store = RunStore.at(tmp_path, SETTING)
    for number in (1, 2):
        store.write(own_run(VARIANT, number), VARIANT)
    found = store.read(VARIANT)
    assert found is not None and found.seconds == 1.0 and len(list((tmp_path / "runs").iterdir())) == 1
