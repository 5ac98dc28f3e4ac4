"""Sessions that are killed, or that work on one study at once, leave it as one undisturbed session would."""

import json
import multiprocessing
import random
import time

import pytest
from killed import session, told

KILLS = 50


@pytest.fixture(scope="module")
def start():
    """Starts a session in a process that is forked from one in which everything is imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bridle.comparison", "sklearn.datasets", "torch._dynamo"])

    first = context.Process(target=int)  # with it comes the process that imports, which takes seconds
    first.start()
    first.join()

    def started(folder, **options):
        process = context.Process(target=session, args=(folder,), kwargs=options)
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


def undisturbed(start, folder):
    """One session; how long it takes to begin, and to train."""
    clock = time.monotonic()
    process = start(folder)
    while process.exitcode is None and not (folder / "stacks").exists():
        time.sleep(0.005)
    began = time.monotonic()
    assert ended(process) == 0
    return began - clock, time.monotonic() - began


@pytest.mark.slow
def test_fifty_kills_change_nothing(start, tmp_path):
    beginning, training = undisturbed(start, tmp_path / "undisturbed")
    moments, kills = random.Random(8), 0
    while kills < KILLS:
        process = start(tmp_path / "killed")
        process.join(moments.uniform(0.0, beginning + 1.5 * training / KILLS))
        assert process.exitcode is None, f"finished after {kills} kills"
        process.kill()
        kills += ended(process) == -9
    assert any(epochs(tmp_path / "killed"))
    assert ended(start(tmp_path / "killed")) == 0
    assert told(tmp_path / "killed") == told(tmp_path / "undisturbed")
    left = sorted(str(each.relative_to(tmp_path / "killed")) for each in (tmp_path / "killed").rglob("*"))
    others = [each for each in left if not each.startswith(("runs/", "stacks/"))]
    assert others == ["runs", "sessions.jsonl", "stacks", "study.json"]
    assert epochs(tmp_path / "killed") == [0, 0, 0]  # of the stacks only the members are left
    assert len(list((tmp_path / "killed" / "runs").iterdir())) == 6 * 7


def test_two_sessions_at_once_both_end_right(start, tmp_path):
    short = {"seeds": 2, "epochs": 6}
    assert ended(start(tmp_path / "alone", **short)) == 0
    both = [start(tmp_path / "both", seconds_between_saves=0.0, **short) for _ in range(2)]
    assert [ended(each) for each in both] == [0, 0]
    assert told(tmp_path / "both") == told(tmp_path / "alone")
    assert not list((tmp_path / "both").rglob("*.partial")) and set(epochs(tmp_path / "both")) == {0}
