"""Several processes find what one finds, in the same order; and end when they are told to."""

import contextlib
import os
import shutil
import signal
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from audit_command import CLAMPED, RIGHT, run, start

from bridle_audit import audit_files
from bridle_audit.run import processes
from repository import ROOT

CORPUS = ROOT / "packages" / "bridle-audit" / "tests" / "corpus"


def test_several_processes_find_what_one_finds_in_the_same_order(tmp_path):
    (tmp_path / "broken.py").write_text("def f(:\n")
    alone, together = (audit_files([tmp_path, CORPUS], jobs=jobs) for jobs in (1, 3))
    assert len(alone.findings) > 100 and len(alone.remarks) == 1
    assert asdict(alone) == asdict(together)


def test_the_command_prints_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        (tmp_path / f"{number}.py").write_text(CLAMPED if number % 2 else RIGHT)
    alone, together = (run("--jobs", jobs) for jobs in (1, 2))
    assert alone.stdout == together.stdout and alone.stdout.endswith("2 errors in 5 files\n")
    assert (alone.exit_code, together.exit_code) == (1, 1)


@pytest.mark.parametrize(
    ("jobs", "files", "number"), [(1, 10**6, 1), (3, 10**6, 3), (3, 2, 2), (3, 0, 1), (0, 10, 1), (0, 10**6, 5)]
)
def test_as_many_processes_are_started_as_there_is_work_for(jobs, files, number, monkeypatch):
    monkeypatch.setattr(processes, "available_cores", lambda: 5)
    assert processes.process_count(jobs, files) == number


def test_cores_are_those_that_this_process_may_use():
    assert 1 <= processes.available_cores() <= (os.cpu_count() or 1)


@pytest.fixture
def many(tmp_path):
    """A folder that takes seconds to read."""
    for number in range(12):
        shutil.copytree(CORPUS, tmp_path / str(number))
    return tmp_path


def workers(process):
    """The processes that read files for one, by their ids."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            parent = (each / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(process.pid) and b"spawn_main" in (each / "cmdline").read_bytes():
                found.append(int(each.name))
    return found


def wait_for_workers(process):
    """Until they are there; their ids."""
    deadline = time.monotonic() + 60
    while len(workers(process)) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return workers(process)


IN_PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")


@IN_PROC
@pytest.mark.parametrize("moment", ["early", "later"])
def test_ctrl_c_ends_all_processes_in_one_line(many, moment):
    process = start(many, "--jobs", "2", start_new_session=True)
    reading = wait_for_workers(process)
    time.sleep(0.0 if moment == "early" else 1.0)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    shown, said = process.communicate(timeout=60)
    assert (process.returncode, shown, said) == (130, "", "Stopped.\n")
    assert not any(Path(f"/proc/{each}").exists() for each in reading)


@IN_PROC
def test_a_worker_that_is_killed_is_one_sentence(many):
    process = start(many, "--jobs", "2")
    os.kill(wait_for_workers(process)[0], signal.SIGKILL)
    shown, said = process.communicate(timeout=60)
    assert (process.returncode, shown, said.count("\n")) == (2, "", 1)
    assert "a process that reads files has died" in said and "--jobs 1" in said
