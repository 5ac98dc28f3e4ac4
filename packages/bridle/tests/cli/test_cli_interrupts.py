"""A comparison that Ctrl-C, or a reader that goes away, ends early; and one that goes on."""

import re
import signal
import time
from functools import partial

import pytest
from command_line import TINY, run, start

from bridle import Study, compare
from bridle.cli import main
from bridle.data import load
from bridle.networks import mlp
from bridle.protocol import Protocol

# A shell says 130 of both: `python -m` ends by the signal itself where it came within exec(), which torch calls.
STOPPED = (130, -signal.SIGINT)


def wait_for(condition, seconds=60):
    """Until it holds; fails where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("again", ["the same command", "resume"])
def test_ctrl_c_keeps_what_is_finished_and_goes_on_when_told(tmp_path, again):
    command = ("compare", "--engine", "vanilla", "--epochs", "40", "--lr", "0.002", "--seeds", "8")
    contenders = ("--network", "mlp(16)", "--recipe", "Dropout(rate=0.5)", "--no-references")
    arguments = (*command, *contenders, "--out", tmp_path)
    process = start(*arguments)
    wait_for(lambda: process.poll() is not None or len(list((tmp_path / "runs").glob("[!.]*.json"))) >= 3)
    process.send_signal(signal.SIGINT)
    shown, said = process.communicate(timeout=60)
    assert process.returncode in STOPPED, said
    assert b"Stopped." in said and b"Traceback" not in said and b"none" in shown
    assert f"What is trained is kept in {tmp_path}: `bridle resume {tmp_path}` goes on from there." in said.decode()
    study = Study.load(tmp_path)
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").glob("*.json")}
    assert not study.finished and 3 <= len(kept) < 16
    assert sum(len(each.runs) for each in study.contenders) == len(kept)
    finished = run(*arguments) if again == "the same command" else run("resume", tmp_path)
    assert finished.exit_code == 0 and all(file.stat().st_mtime_ns == written for file, written in kept.items())
    whole = Study.load(tmp_path)
    assert whole.finished and [len(each.runs) for each in whole.contenders] == [8, 8]


@pytest.mark.parametrize("moment", ["early", "later"])
def test_ctrl_c_in_the_first_stack_says_how_far_it_got_and_the_same_command_goes_on(tmp_path, moment):
    arguments = ("compare", "--epochs", "3000", "--lr", "0.002", "--seeds", "2", "--recipe", "EMA", "--out", tmp_path)
    process = start(*arguments)

    def is_there():
        planned = process.poll() is not None or list((tmp_path / "stacks").glob("*.state"))
        return planned if moment == "early" else (tmp_path / "sessions").exists()  # noted when a state is kept

    wait_for(is_there)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in STOPPED and b"Traceback" not in said
    far = re.search(r"Stopped after (\d+) of (\d+) steps of single runs, before any run was finished\.", said.decode())
    assert far and int(far[2]) == 3000 * 16 * 4
    if moment == "early":
        return
    kept = re.search(r"(\d+) of the steps are kept in .*: `bridle resume .*` goes on from there\.", said.decode())
    assert kept and 0 < int(kept[1]) <= int(far[1])
    told: list[tuple[int, int]] = []
    heard = partial(stop_at_once, told)
    with pytest.raises(KeyboardInterrupt):
        compare(load("digits"), ["EMA"], 2, mlp(128, 64), Protocol(lr=0.002, epochs=3000), out=tmp_path, progress=heard)
    assert told == [(0, int(far[2])), (int(kept[1]), int(far[2]))]


def stop_at_once(told, done, total):
    """Notes what is heard, and presses Ctrl-C with the second call."""
    told.append((done, total))
    if len(told) == 2:
        raise KeyboardInterrupt


def test_ctrl_c_while_the_report_is_written_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(*_given):
        raise KeyboardInterrupt

    monkeypatch.setattr("bridle.report.write_html", interrupted)
    result = run(*TINY, "--out", tmp_path)
    assert result.exit_code == 130 and Study.load(tmp_path).finished
    assert f"What is trained is kept in {tmp_path}: `bridle resume {tmp_path}` goes on from there." in result.stderr


def test_ctrl_c_before_there_is_a_command_has_no_traceback(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setitem(main.__globals__, "app", interrupted)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130 and capsys.readouterr().err == "Stopped.\n"


def test_a_resumed_study_has_taken_as_long_as_all_its_sessions(tmp_path):
    seconds = []
    for seeds in (2, 3, 3):
        run(*TINY, "--seeds", seeds, "--out", tmp_path)
        seconds.append(Study.load(tmp_path).made["seconds"])
    assert seconds[0] < seconds[1] <= seconds[2]


def test_a_reader_that_goes_away_gets_no_traceback(tmp_path):
    process = start(*TINY, "--out", tmp_path, "--json")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert b"Traceback" not in said and b"Exception ignored" not in said
    assert Study.load(tmp_path).finished
