"""What was asked, told beside the runs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from bridle import Data, Dropout, Protocol, Recipe, __version__, load, mlp
from bridle.comparison import compare
from bridle.comparison.asked import Asked, how_to_go_on, read_asked, write_asked
from bridle.comparison.hashes import seal, unseal
from bridle.errors import InputError

RECIPES = [Recipe(), Recipe.of(Dropout(rate=0.2))]


def asked(data: Data | None = None, **changes: Any) -> Asked:
    given: dict[str, Any] = {"recipes": RECIPES, "seeds": range(3), "network": mlp(8, activation="tanh")}
    return Asked.of(data or load("digits"), **{**given, "protocol": Protocol(lr=0.1), **changes})


def table(folder: Path, rows: int = 60) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join(["a,b,answer", *(f"{k / 10},{k % 7},{'yes' if k % 3 else 'no'}" for k in range(rows))]))
    return path


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    said = asked(metric="accuracy", tuned=4, margin=0.002, references=False, keep_models="all", engine="vanilla")
    write_asked(tmp_path, said)
    assert read_asked(tmp_path) == said
    assert (said.recipes, said.seeds, said.network) == (
        ["none", "Dropout(rate=0.2)"],
        [0, 1, 2],
        "mlp(8, activation='tanh')",
    )
    assert said.protocol_again() == Protocol(lr=0.1) and said.made["bridle"] == __version__
    assert said.data == {"path": "digits"} and said.absolute_path == "" and said.made_in_python == []


def test_it_is_plain_json_with_a_checksum(tmp_path: Path) -> None:
    write_asked(tmp_path, asked())
    said = json.loads((tmp_path / "asked.json").read_text())
    assert (said["version"], said["seeds"], said["protocol"]["epochs"]) == (1, [0, 1, 2], None)
    assert len(said["checksum"]) == 64


def test_a_comparison_says_what_it_was_asked_before_it_trains(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare("digits", ["EMA"], [3, 1], "mlp(8)", Protocol(epochs=2), margin=0.01, out=tmp_path, progress=stop)
    said = read_asked(tmp_path)
    assert (said.recipes, said.seeds, said.network, said.margin) == (
        ["none", "EMA(decay=0.999)"],
        [3, 1],
        "mlp(8)",
        0.01,
    )
    assert said.protocol["epochs"] == 2 and said.protocol["lr"] is None  # as asked
    assert said.protocol["precision"] != "auto"  # as it is, so that another machine does the same


class Own(nn.Module):
    """A network of a user's own."""


MADE_IN_PYTHON: dict[str, dict[str, Any]] = {
    "data": {"data": Data([[0.0], [1.0]], [0, 1], [[0.0]], [1])},
    "network": {"network": Own},
    "metric": {"metric": "profit"},
}


@pytest.mark.parametrize("what", MADE_IN_PYTHON)
def test_what_was_made_in_python_is_said_to_be(tmp_path: Path, what: str) -> None:
    said = asked(**MADE_IN_PYTHON[what])
    assert said.made_in_python == [what]
    write_asked(tmp_path, said)
    assert how_to_go_on(tmp_path) == f"the same call of bridle.compare goes on from there; its {what} are in Python"
    with pytest.raises(InputError, match=f"which alone has its {what}: call bridle.compare again with the same"):
        read_asked(tmp_path).check_in_words(tmp_path)


def test_so_is_a_regularizer_of_a_users_own(own_leaves: None) -> None:
    class Mine(Dropout):
        pass

    assert asked(recipes=[Recipe.of(Mine(rate=0.1))]).made_in_python == ["recipes"]


@pytest.mark.parametrize(("folder", "shown"), [("study", "study"), ("my study", "'my study'"), ("a;b", "'a;b'")])
def test_how_to_go_on_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, shown: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir()
    assert how_to_go_on(folder) == "the same command goes on from there"
    write_asked(folder, asked())
    assert how_to_go_on(folder) == f"`bridle resume {shown}` goes on from there"


def test_a_table_is_found_from_another_folder_and_where_it_has_moved(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path)
    data = load("table.csv", "answer", splits={"kind": "repeated", "seed": 2}, categorical=["b"])
    write_asked(tmp_path, asked(data))
    said = read_asked(tmp_path)
    assert said.data["path"] == "table.csv" and said.load_data().fingerprint == data.fingerprint
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    again = said.load_data()
    assert again.fingerprint == data.fingerprint and again.splits_vary
    (tmp_path / "table.csv").rename(tmp_path / "moved.csv")
    with pytest.raises(InputError, match=r"the data were .*/table\.csv, which is not there any more; say with --data"):
        said.load_data()
    assert said.load_data(str(tmp_path / "moved.csv")).fingerprint == data.fingerprint


def test_a_table_that_has_changed_is_refused(tmp_path: Path) -> None:
    said = asked(load(table(tmp_path), "answer"))
    table(tmp_path, rows=61)
    with pytest.raises(
        InputError, match=r"the data of .*table.csv are not those that were compared: their content diff"
    ):
        said.load_data()
    (tmp_path / "table.csv").rename(tmp_path / "other.csv")
    with pytest.raises(InputError, match=r"the data of .*other.csv are not those that were compared"):
        said.load_data(str(tmp_path / "other.csv"))


def test_the_same_again_writes_nothing_and_another_question_takes_its_place(tmp_path: Path) -> None:
    write_asked(tmp_path, asked())
    before = (tmp_path / "asked.json").stat().st_ino
    write_asked(tmp_path, asked())
    assert (tmp_path / "asked.json").stat().st_ino == before
    write_asked(tmp_path, asked(seeds=range(4)))
    assert read_asked(tmp_path).seeds == [0, 1, 2, 3]


def test_where_nothing_can_be_written_only_another_question_is_a_warning(tmp_path: Path, monkeypatch: Any) -> None:
    write_asked(tmp_path, asked())

    def refused(*given: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("bridle.comparison.asked.write_whole", refused)
    write_asked(tmp_path, replace(asked(), made={**asked().made, "machine": "another"}, absolute_path="/elsewhere"))
    with pytest.warns(UserWarning, match="what is compared cannot be noted in .*Read-only file system"):
        write_asked(tmp_path, asked(seeds=range(4)))


def changed(**changes: Any) -> Any:
    """What is written instead of what was asked."""
    return lambda content: seal(
        {name: each for name, each in {**unseal(content), **changes}.items() if name != "checksum"}
    )


ODD: dict[str, tuple[Any, str]] = {
    "of a later version": (changed(version=2), "it has version 2, and this bridle reads 1"),
    "with other seeds": (changed(seeds="x"), "seeds must be a list"),
    "with no checksum": (lambda content: b"{}", "does not begin with a checksum"),
    "with another protocol": (changed(protocol={"steps": 3}), "a protocol that this bridle does not know"),
    "with a wrong protocol": (changed(protocol={"epochs": -3}), "epochs must be"),
    "of other data": (changed(data={"path": "digits", "colour": 1}), "says of the data what this bridle does not know"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_a_sentence(tmp_path: Path, name: str) -> None:
    change, said = ODD[name]
    write_asked(tmp_path, asked())
    path = tmp_path / "asked.json"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=said):
        found = read_asked(tmp_path)
        found.protocol_again()
        found.load_data()


def test_a_folder_without_it_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no asked\.json in .*; `bridle compare --out"):
        read_asked(tmp_path)
    for place in ("nowhere", "nowhere/study.json"):
        with pytest.raises(InputError, match=r"there is no folder .*nowhere; give the one that `bridle compare --out`"):
            read_asked(tmp_path / place)
    (tmp_path / "notes").write_text("of mine", encoding="utf-8")
    for place in ("notes", "notes/study.json"):
        with pytest.raises(InputError, match=r"a study is a folder, .* and .*notes is none"):
            read_asked(tmp_path / place)


def test_data_are_compared_as_numpy_has_them() -> None:
    assert np.array_equal(asked().load_data().x_train, load("digits").x_train)
