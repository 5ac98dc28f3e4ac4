"""The states of unfinished stacks on disk, and the time of all sessions."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killed import few, told
from made_up import SETTING

from bridle import Recipe, compare
from bridle.comparison.sessions import Session
from bridle.comparison.stack_checkpoints import StackCheckpoints
from bridle.engine import checkpointing
from bridle.networks import mlp
from bridle.protocol import Protocol, Variant

VARIANTS = [Variant(Recipe.of(recipe), seed) for seed in range(3) for recipe in ("none", "EMA")]
MEMBERS, OTHERS = VARIANTS[:4], VARIANTS[4:]
SHORT = Protocol(lr=0.002, batch_size=32, epochs=2)
ALONE: dict[str, Any] = {"references": False, "keep_models": "none"}


def stacks(folder, asked=VARIANTS, setting=SETTING, finished=()):
    return StackCheckpoints(folder, setting, asked, lambda run: (run.recipe, run.seed) in finished, lambda: None)


def the_file(folder):
    (file,) = (folder / "stacks").glob("*.state")
    return file


def test_a_state_is_found_and_read_as_it_was_kept(tmp_path):
    stacks(tmp_path).save(MEMBERS, MEMBERS[1:], 5, 70, b"\n\0state\n")
    again = stacks(tmp_path)
    ((members, trains),) = again.unfinished(VARIANTS)
    assert members == MEMBERS and trains == set(MEMBERS[1:])
    assert again.load(MEMBERS) == b"\n\0state\n" and again.kept == 70
    assert again.load(OTHERS) == b""


def test_a_planned_stack_is_found_too_and_the_most_advanced_comes_first(tmp_path):
    stacks(tmp_path).save(MEMBERS, MEMBERS, 0, 0, b"")
    stacks(tmp_path).save(OTHERS, OTHERS, 2, 8, b"x")
    assert [each.members for each in stacks(tmp_path).unfinished(VARIANTS)] == [OTHERS, MEMBERS]
    assert stacks(tmp_path).load(MEMBERS) == b""


def test_only_stacks_of_what_is_asked_and_missing_are_gone_on_with(tmp_path):
    stacks(tmp_path).save(MEMBERS, MEMBERS, 1, 4, b"x")
    assert stacks(tmp_path, asked=MEMBERS[:3]).unfinished(MEMBERS[:3]) == []
    assert stacks(tmp_path).unfinished(OTHERS) == []
    assert stacks(tmp_path, setting=SETTING | {"data": "x"}).unfinished(VARIANTS) == []
    assert len(stacks(tmp_path).unfinished(MEMBERS[:1])) == 1


def test_a_run_is_trained_in_one_stack_only(tmp_path):
    stacks(tmp_path).save(MEMBERS, MEMBERS, 1, 4, b"x")
    stacks(tmp_path).save(MEMBERS[1:], MEMBERS[1:], 2, 6, b"x")
    assert [each.members for each in stacks(tmp_path).unfinished(VARIANTS)] == [MEMBERS[1:]]


def test_only_the_members_are_left_when_a_stack_is_finished_also_of_a_session_that_was_killed_before_it_could(tmp_path):
    state, last = b"x" * 10**5, str(MEMBERS[3].recipe)
    stacks(tmp_path).save(MEMBERS, MEMBERS[2:], 1, 4, state)
    stacks(tmp_path, finished=[("none", 1)])
    assert stacks(tmp_path).load(MEMBERS) == state
    stacks(tmp_path, finished=[("none", 1), (last, 1)])
    assert stacks(tmp_path).load(MEMBERS) == b"" and the_file(tmp_path).stat().st_size < 1000
    stacks(tmp_path).save(MEMBERS, MEMBERS[2:], 1, 4, state)
    stacks(tmp_path).drop(MEMBERS)
    assert stacks(tmp_path).load(MEMBERS) == b"" and the_file(tmp_path).stat().st_size < 1000
    ((members, trains),) = stacks(tmp_path).unfinished(MEMBERS[:1])
    assert members == MEMBERS and trains == set(MEMBERS)


@pytest.mark.parametrize("lost", [1, 3, 6])
def test_runs_that_are_lost_later_are_trained_again_bit_for_bit(tmp_path, lost):
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        compare(few(), ["Dropout(rate=0.2)"], 3, mlp(6), SHORT, out=folder, **ALONE).save(folder / "study.json")
    files = sorted((after / "runs").iterdir())[:lost]
    for file in files:
        file.write_text(file.read_text().replace('"valid"', '"test"'))
    heard = []
    with pytest.warns(UserWarning, match="by its checksum"):
        study = compare(
            few(),
            ["Dropout(rate=0.2)"],
            3,
            mlp(6),
            SHORT,
            out=after,
            progress=lambda done, total: heard.append(done),
            **ALONE,
        )
    study.save(after / "study.json")
    assert told(after) == told(before)
    assert heard == list(range(20 * (6 - lost), 121, lost))


def other(file, change):
    """The file with its parts (checksums, header, state) changed."""
    parts = file.read_bytes().split(b"\n", 2)
    change(parts)
    file.write_bytes(b"\n".join(parts))


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return a function that makes something else in the place of a file."""

    def replace_file(file: Path) -> None:
        file.unlink()
        make(file)

    return replace_file


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut off": lambda file: os.truncate(file, file.stat().st_size - 1),
    "another state": lambda file: other(file, lambda parts: parts.__setitem__(2, parts[2][::-1])),
    "another header": lambda file: other(file, lambda parts: parts.__setitem__(1, b"{}")),
    "binary": lambda file: file.write_bytes(bytes(range(256)) * 100),
    "a folder": replaced(Path.mkdir),
    "a pipe": replaced(os.mkfifo),
    "a link": replaced(lambda file: file.symlink_to("/dev/zero")),
    "large": lambda file: os.truncate(file, 2**40),
}


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A folder with a comparison that was interrupted in its first stack."""
    monkeypatch.setattr(checkpointing, "SECONDS_BETWEEN_SAVES", 0.0)

    def stop(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(
        KeyboardInterrupt,
        match=r"Stopped after \d+ of 240 steps .*: the same call .* goes on from there; its data are in Python",
    ):
        small(tmp_path, progress=stop)
    return tmp_path


def small(folder, **options):
    protocol = Protocol(lr=0.002, batch_size=32, epochs=6)
    study = compare(few(), ["EMA"], 2, mlp(6), protocol, out=folder, **ALONE, **options)
    if folder:
        study.save(folder / "study.json")
    return study


def test_an_interrupted_stack_goes_on(interrupted, tmp_path_factory):
    heard = []
    small(interrupted, progress=lambda done, total: heard.append(done))
    assert heard[0] == 0 and heard[1] == 120 and heard[-1] == 240 and len(heard) == 2 + 30
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    small(undisturbed)
    assert told(interrupted) == told(undisturbed)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_state_that_is_not_what_was_written_is_named_and_kept_aside(interrupted, tmp_path_factory, name):
    file = the_file(interrupted)
    DAMAGES[name](file)
    heard = []
    with pytest.warns(UserWarning, match="its runs are trained from the start") as warned:
        small(interrupted, progress=lambda done, total: heard.append(done))
    assert str(file) in str(warned[0].message) and heard[1] == 4
    (aside,) = (interrupted / "set-aside").iterdir()
    assert aside.name.startswith(file.name)
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    small(undisturbed)
    assert told(interrupted) == told(undisturbed)


def test_a_state_that_cannot_be_written_does_not_end_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpointing, "SECONDS_BETWEEN_SAVES", 0.0)

    def full(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bridle.comparison.stack_checkpoints.write_whole", full)
    with pytest.warns(UserWarning, match="state of unfinished runs cannot be kept in .*No space left"):
        assert small(tmp_path).finished


def test_nothing_is_kept_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpointing, "dump_stack", lambda *stack: pytest.fail("it was saved"))
    monkeypatch.setattr(checkpointing, "SECONDS_BETWEEN_SAVES", 0.0)
    small(None)
    assert list(tmp_path.iterdir()) == []


def test_sessions_add_up_and_each_counts_once(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("bridle.comparison.sessions.perf_counter", lambda: clock[0])
    first, second = Session(tmp_path, "a", 0.0), Session(tmp_path, "a", 0.0)
    for seconds in (4.0, 9.0, 10.0):
        clock[0] = seconds
        first.note(now=True)
    second.note(now=True)
    Session(tmp_path, "b", 0.0).note(now=True)
    assert Session(tmp_path, "a", 10.0).earlier == 20.0 and Session(tmp_path, "b", 10.0).earlier == 10.0
    assert Session(tmp_path, "c", 10.0).earlier == 0.0
    clock[0] = 13.0
    assert Session(tmp_path, "a", 10.0).seconds == 23.0
    assert len(list(tmp_path.iterdir())) == 3  # one for each session, and nothing else


def test_a_session_is_noted_now_and_then(tmp_path, monkeypatch):
    clock, written = [0.0], []
    monkeypatch.setattr("bridle.comparison.sessions.perf_counter", lambda: clock[0])
    monkeypatch.setattr("bridle.comparison.sessions.write_whole", lambda path, text: written.append(json.loads(text)))
    session = Session(tmp_path, "a", 0.0)
    for tenth in range(200):
        clock[0] = tenth / 10
        session.note()
    assert [each["seconds"] for each in written] == pytest.approx([0.0, 5.1, 10.2, 15.3])


FILES = ["", "{", "[1]", "null", "[" * 100_000, "\xff", '{"seconds": "x"}', "1"]


@pytest.mark.parametrize("text", [*FILES, *(f'{{"seconds": {number}}}' for number in ("-1", "NaN", "1e999"))])
def test_a_file_that_is_something_else_says_nothing(tmp_path, text):
    Session(tmp_path, "a").note(now=True)
    (tmp_path / "a-0123.json").write_bytes(text.encode("latin-1"))
    assert 0 <= Session(tmp_path, "a").earlier < 1


def test_a_note_that_cannot_be_written_does_not_end_the_training(tmp_path):
    (tmp_path / "file").touch()
    session = Session(tmp_path / "file", "a")
    with pytest.warns(UserWarning, match="how long the comparison takes cannot be noted"):
        session.note(now=True)
    session.note(now=True)


def test_the_time_of_a_study_is_that_of_all_its_sessions(interrupted):
    (file,) = (interrupted / "sessions").iterdir()
    first = json.loads(file.read_text())["seconds"]
    resumed, again = small(interrupted), small(interrupted)
    assert 0 < first < resumed.made["seconds"] <= again.made["seconds"] + 0.01
