"""Sessions that are killed, or that work on one study at once, leave it as one undisturbed session would."""

import json
import multiprocessing
import random
import time

import pytest
from killed import session, told, tuned_session

from bridle import Study

KILLS = 50
MOST = 0.96  # of the work, so that none ends before it is killed


@pytest.fixture(scope="module")
def start():
    """Starts a session in a process that is forked from one in which everything is imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bridle.comparison", "sklearn.datasets", "torch._dynamo"])

    first = context.Process(target=int)  # with it comes the process that imports, which takes seconds
    first.start()
    first.join()

    def started(folder, target=session, **options):
        process = context.Process(target=target, args=(folder,), kwargs=options)
        process.start()
        return process

    return started


def ended(process):
    """Its exit code, once it has ended."""
    process.join(300)
    assert process.exitcode is not None
    return process.exitcode


def epochs(folder):
    """After how many epochs the stacks were saved."""
    headers = [each.read_bytes().splitlines()[1] for each in (folder / "stacks").glob("*.state")]
    return [json.loads(header)["epoch"] for header in headers]


def kill(process, share, least, moments):
    """Kill a session at a random moment behind that at which a share of all work is done.

    By what is done and not by the clock, so that it is the same test on a machine that is busy.
    """
    while share.value < least:
        assert process.exitcode is None
        time.sleep(0.001)
    time.sleep(moments.uniform(0.0, 0.02))
    process.kill()
    assert ended(process) == -9


@pytest.mark.slow
def test_fifty_kills_change_nothing(start, tmp_path):
    assert ended(start(tmp_path / "undisturbed")) == 0
    moments, furthest, saved = random.Random(8), 0.0, 0
    for _ in range(KILLS):
        share = multiprocessing.get_context("forkserver").Value("d", -1.0)  # of the work: nothing is told yet
        least = -1.0 if moments.random() < 0.2 else min(MOST, furthest + moments.uniform(-1.0, 3.0) / KILLS)
        kill(start(tmp_path / "killed", share=share, most=MOST), share, least, moments)
        furthest = max(furthest, share.value)
        saved += any(epochs(tmp_path / "killed"))
    assert furthest > 0.5 and saved > KILLS / 2
    assert ended(start(tmp_path / "killed")) == 0
    assert told(tmp_path / "killed") == told(tmp_path / "undisturbed")
    left = sorted(str(each.relative_to(tmp_path / "killed")) for each in (tmp_path / "killed").rglob("*"))
    others = [each for each in left if not each.startswith(("models/", "runs/", "sessions/", "stacks/"))]
    assert others == ["asked.json", "models", "runs", "sessions", "stacks", "study.json"]
    assert set(epochs(tmp_path / "killed")) == {0}  # of the stacks only the members are left
    assert len(list((tmp_path / "killed" / "runs").iterdir())) == 6 * 7


@pytest.mark.slow
def test_kills_at_any_step_change_nothing_of_a_tuned_comparison_of_open_length(start, tmp_path):
    told_so_often = multiprocessing.get_context("forkserver").Value("i", 0)

    def exit_code(folder, kill_at=0):
        told_so_often.value = 0
        return ended(start(folder, tuned_session, told=told_so_often, kill_at=kill_at))

    assert exit_code(tmp_path / "undisturbed") == 0
    steps, most = random.Random(4), told_so_often.value // 8
    killed = [exit_code(tmp_path / "killed", steps.randrange(1, most)) == -9 for _ in range(KILLS // 2)]
    assert sum(killed) > KILLS / 4
    assert exit_code(tmp_path / "killed") == 0
    assert told(tmp_path / "killed") == told(tmp_path / "undisturbed")
    study = Study.load(tmp_path / "killed")
    assert all(each.trials for each in study.contenders) and any(len(run.lengths) > 1 for run in study.baseline.runs)


def test_two_sessions_at_once_both_end_right(start, tmp_path):
    short = {"seeds": 2, "epochs": 6}
    assert ended(start(tmp_path / "alone", **short)) == 0
    both = [start(tmp_path / "both", **short) for _ in range(2)]
    assert [ended(each) for each in both] == [0, 0]
    assert told(tmp_path / "both") == told(tmp_path / "alone")
    assert not list((tmp_path / "both").rglob("*.partial")) and set(epochs(tmp_path / "both")) == {0}
