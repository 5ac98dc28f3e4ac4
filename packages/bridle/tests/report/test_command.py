"""The command on the page: it compares the recipe again on the same data, under the settings of the study."""

import inspect
import shlex
from dataclasses import replace

import pytest
from studies import study
from typer.testing import CliRunner

from bridle.cli import app
from bridle.cli.studies import compare_recipes
from bridle.data.registry import NAMES
from bridle.networks import BY_NAME
from bridle.report.command import DATA, DESCRIBED, ENGINE, NAMED, NETWORK, SEEDS, command, quoted
from bridle.results import Study

OPTIONS = {
    "--target": "kind of leg",
    "--task": "classification",
    "--categorical": "code",
    "--network": "mlp(4)",
    "--seeds": "2",
    "--optimizer": "momentum",
    "--lr": "0.003",
    "--schedule": "constant",
    "--batch-size": "8",
    "--epochs": "1",
    "--precision": "float32",
}


def test_the_command_of_a_study_is_the_one_that_made_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{number % 7},{number % 3},{number % 2}\n" for number in range(60))
    (tmp_path / "my data.csv").write_text("x,code,kind of leg\n" + rows)
    asked = ["compare", "my data.csv", *(word for pair in OPTIONS.items() for word in pair)]
    assert CliRunner().invoke(app, [*asked, "--recipe", "Dropout(rate=0.2)", "--out", "first"]).exit_code == 0
    made = Study.load(tmp_path / "first")
    words = shlex.split(command(made, "Dropout(rate=0.2)"))
    assert words[:2] == ["bridle", "compare"]
    assert words[2] == "my data.csv"
    assert dict(zip(words[3::2], words[4::2], strict=True)) == OPTIONS | {"--recipe": "Dropout(rate=0.2)"}
    assert CliRunner().invoke(app, [*words[1:], "--out", "second"]).exit_code == 0
    again = Study.load(tmp_path / "second")
    assert [[run.scores for run in each.runs] for each in again.contenders] == [
        [run.scores for run in each.runs] for each in made.contenders
    ]


def test_what_the_defaults_settle_alike_is_left_out():
    usual = study(epochs=62)
    assert command(usual, "none") == "bridle compare --recipe none"
    assert (
        command(study(epochs=62, data={**usual.data, "name": "mnist"}), "none") == "bridle compare mnist --recipe none"
    )


def test_the_defaults_are_those_of_the_command():
    given = inspect.signature(compare_recipes).parameters
    expected = {"data": DATA, "network": NETWORK, "seeds": SEEDS, "engine": ENGINE}
    assert {name: given[name].default for name in expected} == expected


def test_the_names_of_data_and_networks_are_those_that_there_are():
    assert sorted(NAMED) == sorted(NAMES)
    assert [name for name in BY_NAME if not DESCRIBED.fullmatch(f"{name}()")] == []


@pytest.mark.parametrize(
    "changes",
    [{"data": {**study().data, "name": "arrays"}}, {"network": "my_factory"}, {"seeds": [3, 4, 5, 6, 7]}],
    ids=["arrays", "a module", "seeds of one's own"],
)
def test_what_no_command_can_say_gets_none(changes):
    assert command(replace(study(), **changes), "none") == ""


@pytest.mark.parametrize("text", ["a b.csv", "$(rm x)", "it's", 'a"b', "`x`", "a;b", "", "!x", "é.csv", "a\\b", "*"])
def test_whatever_is_quoted_is_one_word_of_the_shell(text):
    assert shlex.split(quoted(text)) == [text]


def test_a_name_that_looks_like_an_option_is_written_as_a_path():
    assert quoted("-x.csv") == "./-x.csv"
