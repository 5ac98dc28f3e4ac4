"""Several processes that write into one folder at once, and folders that can only be read."""

import contextlib
import ctypes
import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch
from made_up import SETTING, VARIANT, run_of
from torch import nn
from typer.testing import CliRunner

from bridle import Data, Protocol, Study, linear
from bridle.cli import app
from bridle.comparison import compare
from bridle.comparison.asked import read_asked
from bridle.comparison.models import ModelStore, load_model
from bridle.comparison.store import RunStore, stored_runs
from bridle.metric_info import Criterion
from bridle.protocol import Variant

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
WRITERS, RUNS = 3, 20
# Told, as what "auto" means can be another in a process of its own.
SHORT = Protocol(lr=0.1, epochs=1, precision="float32")
VARIANTS = [VARIANT._replace(seed=seed) for seed in range(RUNS)]


def unsynced(fd: Any) -> None:
    """Do not wait for the disk."""


def work(folder: Path, number: int, barrier: Any) -> None:
    """Write all runs, each with what tells the writer, beginning at another place than the others."""
    torch.set_num_threads(1)
    os.fsync = unsynced
    store = RunStore.at(folder, SETTING)
    models = ModelStore(folder, "best", {**SETTING, "network": "x"}, Criterion("accuracy", higher_is_better=True))
    session = store.session(perf_counter())
    barrier.wait()
    for variant in VARIANTS[number * 7 :] + VARIANTS[: number * 7]:
        run = own_run(variant, number)
        run.model = nn.Linear(2, 1)
        models.write(run, store.name(run.key))
        kept = store.write(run, variant)
        assert kept.seed == variant.seed and kept.seconds in range(WRITERS)
        models.prune(run)
        session.note(now=True)
        stacks = store.stacks(VARIANTS, session.note)
        assert stacks is not None
        stacks.save(VARIANTS, VARIANTS, 1 + number, 10, bytes([number]) * 5000)
        state = stacks.load(VARIANTS)
        assert (
            len(set(state)) == 1 or len(store_of_all(store)) == RUNS
        )  # somebody's, and whole; at the end it is emptied


def store_of_all(store: RunStore) -> list[Variant]:
    return [variant for variant in VARIANTS if store.read(variant) is not None]


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
    assert model.stem.endswith(store.name(best.key))


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


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_file_that_cannot_be_read_at_the_moment_stays_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    store = RunStore.at(tmp_path, SETTING)
    store.write(own_run(VARIANT, 1), VARIANT)
    open_file = os.open

    def refused(path: Any, flags: int, *mode: Any) -> int:
        if str(path).endswith(".json") and not flags & os.O_CREAT:
            raise OSError(code, os.strerror(code), str(path))
        return open_file(path, flags, *mode)

    with monkeypatch.context() as patched:
        patched.setattr("os.open", refused)
        with pytest.warns(UserWarning, match=f"cannot be read: {os.strerror(code)}. It is left as it is; the run is"):
            assert store.read(VARIANT) is None
    found = store.read(VARIANT)
    assert found is not None and found.seconds == 1.0


def few() -> Data:
    x = np.linspace(-1, 1, 24)[:, None]
    return Data(x, x[:, 0] > 0, x[::3], x[::3, 0] > 0)


def study(folder: Path, seeds: int) -> Study:
    return compare(few(), ["none"], seeds, linear(), SHORT, references=False, out=folder)


def scores(found: Study) -> list[Any]:
    return [(run.seed, run.scores, run.curves) for run in found.baseline.runs]


def read_everything(folder: Path) -> None:
    """What can be done with a folder that can only be read; called in a process of its own."""
    for place in (folder, folder / "runs"):
        with contextlib.suppress(PermissionError):
            (place / "file").touch()
            raise SystemExit(3)  # it can be written
    saved, read = Study.load(folder), study(folder, 2)
    assert read.finished and scores(read) == scores(saved) and read_asked(folder).seeds == [0, 1]
    best = min(saved.baseline.runs, key=lambda run: run.scores["valid"]["log_loss"])
    assert load_model(folder, best, linear(), few()).output.weight.shape == (2, 1)
    shown = CliRunner().invoke(app, ["inspect", str(folder)])
    assert shown.exit_code == 0 and "output" in shown.stdout
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            study(folder, 3)
        except OSError as error:
            print(error)
    assert ["what is compared cannot be noted" in str(each.message) for each in said] == [True]


def without_privileges() -> None:
    """Take from root what lets it write into any folder: the capability CAP_DAC_OVERRIDE, gone with the next exec."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a study, which cannot be written to until the test is over."""
    place = tmp_path / "study"
    study(place, 2).save(place / "study.json")
    places = [place, *(each for each in place.iterdir() if each.is_dir())]
    for each in places:
        each.chmod(0o555)
    yield place
    for each in filter(Path.exists, places):
        each.chmod(0o755)


@pytest.mark.skipif(sys.platform != "linux", reason="permissions are taken away as Linux does it")
def test_a_folder_that_can_only_be_read_is_read_and_what_is_missing_is_said(folder: Path) -> None:
    before = sorted((str(each), each.stat().st_mtime_ns) for each in folder.rglob("*"))
    code = f"import sys; sys.path[:0] = {sys.path!r}\nimport test_shared_folder as test\n"
    code += f"test.read_everything(test.Path({str(folder)!r}))"
    command = [sys.executable, "-W", "error", "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, preexec_fn=without_privileges, check=False)
    if found.returncode == 3:
        pytest.skip("everything can be written here")
    assert found.returncode == 0, found.stderr
    assert f"nothing can be written into {folder} (Permission denied); give --out another folder" in found.stdout
    assert sorted((str(each), each.stat().st_mtime_ns) for each in folder.rglob("*")) == before


def test_a_folder_that_can_only_be_read_and_has_no_runs_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    def refused(**place: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("bridle.comparison.store.TemporaryFile", refused)
    with pytest.raises(OSError, match=r"nothing can be written into .* \(Permission denied\); give --out another"):
        study(tmp_path, 1)


def test_a_damaged_run_in_a_folder_that_can_only_be_read_is_left_there(tmp_path: Path, monkeypatch: Any) -> None:
    store = RunStore.at(tmp_path, SETTING)
    store.write(own_run(VARIANT, 1), VARIANT)
    (path,) = (tmp_path / "runs").iterdir()
    path.write_text("{")

    def refused(path: Path, target: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pathlib.Path.rename", refused)
    with pytest.warns(UserWarning, match=r"is not used: .* It cannot be moved \(Read-only file system\)"):
        assert store.read(VARIANT) is None
    assert path.read_text() == "{"


def test_a_copy_of_a_folder_is_the_same_study_anywhere(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(folder, copy)
    (folder / "runs").rename(folder / "gone")
    copy.chmod(0o755)
    monkeypatch.setattr("bridle.comparison.trainer.ENGINES", {})  # nothing is trained
    assert scores(study(copy, 2)) == scores(Study.load(copy)) and read_asked(copy).seeds == [0, 1]
