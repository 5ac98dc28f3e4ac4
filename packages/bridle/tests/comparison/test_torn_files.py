"""Every file of a study, cut off at any byte or with any byte changed: it is refused or says the same, and no more."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from made_up import SETTING, VARIANT, run_of

from bridle import Data, Protocol, Study, linear
from bridle.comparison import compare
from bridle.comparison.asked import read_asked
from bridle.comparison.models import load_weights
from bridle.comparison.sessions import Session
from bridle.comparison.stack_checkpoints import StackCheckpoints
from bridle.comparison.store import RunStore
from bridle.errors import InputError
from bridle.protocol import Variant

OTHER = Variant(VARIANT.recipe, 4)


def cut(content: bytes) -> Iterator[bytes]:
    """Every beginning of a file."""
    return (content[:length] for length in range(len(content)))


def changed(content: bytes) -> Iterator[bytes]:
    """The file with one byte changed, each in turn: in its lowest bit, and to what ends a text."""
    for place, byte in enumerate(content):
        for other in {byte ^ 1, 0} - {byte}:
            yield content[:place] + bytes([other]) + content[place + 1 :]


TEARS = pytest.mark.parametrize("tear", [cut, changed])


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk with each of thousands of files."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def small() -> Data:
    x = np.linspace(-1, 1, 24)[:, None]
    return Data(x, x[:, 0] > 0, x[::3], x[::3, 0] > 0)


def compare_small(place: Path, seeds: int = 1) -> Study:
    study = compare(
        small(), ["none"], seeds, linear(), Protocol(lr=0.1, epochs=1), references=False, out=place, keep_models="all"
    )
    study.save(place / "study.json")
    return study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny study with every kind of file."""
    place = tmp_path_factory.mktemp("torn")
    compare_small(place)
    return place


@TEARS
def test_of_a_run(tmp_path: Path, tear: Callable[[bytes], Iterator[bytes]]) -> None:
    store = RunStore(tmp_path, SETTING)
    for variant in (VARIANT, OTHER):
        store.write(run_of(variant), variant)
    path = store.path(tmp_path, VARIANT.key)
    whole = path.read_bytes()
    refused = 0
    for content in tear(whole):
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = store.read(VARIANT)
        assert found is None or found.to_json() == run_of(VARIANT).to_json()
        assert len(said) == (found is None)
        refused += found is None
        assert store.read(OTHER) is not None
        assert store.write(run_of(VARIANT), VARIANT) is not None and path.read_bytes() in (whole, content)
    assert refused >= len(whole) - 1


@TEARS
def test_of_the_state_of_a_stack(tmp_path: Path, tear: Callable[[bytes], Iterator[bytes]]) -> None:
    members = [VARIANT, OTHER]

    def stacks() -> StackCheckpoints:
        return StackCheckpoints(tmp_path, SETTING, members, lambda member: False, lambda: None)

    stacks().save(members, members, 3, 12, b"the state\n")
    (path,) = (tmp_path / "stacks").iterdir()
    whole = path.read_bytes()
    for content in tear(whole):
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            again = stacks()
            state = again.load(members)
        assert (state, bool(said)) in ((b"", True), (b"the state\n", False))
        assert all(each.trains == set(members) for each in again.unfinished(members))
        again.save(members, members, 3, 12, b"the state\n")
        assert path.read_bytes() == whole


@TEARS
def test_of_a_session(tmp_path: Path, tear: Callable[[bytes], Iterator[bytes]]) -> None:
    for name in ("first", "second"):
        Session(tmp_path, "a", name=name).note(now=True)
    (tmp_path / "a-first.json").write_text('{"seconds": 5.0}\n')
    (tmp_path / "a-second.json").write_text('{"seconds": 2.5}\n')
    whole = (tmp_path / "a-second.json").read_bytes()
    for content in tear(whole):
        (tmp_path / "a-second.json").write_bytes(content)
        assert Session(tmp_path, "a").earlier >= 5.0


@TEARS
def test_of_what_was_asked(folder: Path, tmp_path: Path, tear: Callable[[bytes], Iterator[bytes]]) -> None:
    whole = (folder / "asked.json").read_bytes()
    asked, refused = read_asked(folder), 0
    for content in tear(whole):
        (tmp_path / "asked.json").write_bytes(content)
        try:
            assert read_asked(tmp_path) == asked
        except InputError as error:
            refused += 1
            assert "asked.json is not what bridle wrote" in str(error)
    assert refused >= len(whole) - 1


@TEARS
def test_of_weights(folder: Path, tmp_path: Path, tear: Callable[[bytes], Iterator[bytes]]) -> None:
    (run,) = Study.load(folder).baseline.runs
    (path,) = (folder / "models").iterdir()
    _, kept = load_weights(folder, run)
    torn = tmp_path / "models" / path.name
    torn.parent.mkdir()
    for content in tear(path.read_bytes()):
        torn.write_bytes(content)
        with pytest.raises(InputError, match=r"are not in|are no whole safetensors|are not what was written"):
            load_weights(tmp_path, run)
    assert set(kept) == {"output.weight", "output.bias"}


def test_of_a_study_that_is_cut_off(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "study.json").read_bytes()
    for length in range(0, len(whole) - 1, 13):
        content = whole[:length]
        (tmp_path / "study.json").write_bytes(content)
        with pytest.raises(InputError, match=r"is not a study written by"):
            Study.load(tmp_path)


def test_all_that_is_torn_at_once_costs_only_what_is_torn(tmp_path: Path) -> None:
    first = compare_small(tmp_path, 4)
    files = sorted(each for each in tmp_path.rglob("*") if each.is_file())
    for path in files:
        if path.parent.name != "runs" or path in files[::2]:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    whole = {path: path.stat().st_mtime_ns for path in files[::2] if path.parent.name == "runs"}
    kept = [path for path in files if path.parent.name == "runs" and path not in whole]
    before = [path.stat().st_mtime_ns for path in kept]
    with pytest.warns(UserWarning, match="is not used"):
        second = compare_small(tmp_path, 4)
    assert [each.scores for each in first.baseline.runs] == [each.scores for each in second.baseline.runs]
    assert len(kept) == len(whole) == 2 and [path.stat().st_mtime_ns for path in kept] == before
