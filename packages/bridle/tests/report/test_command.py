"""The command on the page: it makes the comparison again on the same data, under the settings of the study."""

import inspect
import shlex
from dataclasses import replace

import pytest
from studies import study
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from bridle.cli import app
from bridle.cli.describing import make_splits
from bridle.cli.studies import compare_recipes, print_code
from bridle.data import Splits
from bridle.data.registry import NAMES
from bridle.exporting import to_code
from bridle.networks import BY_NAME
from bridle.protocol import Protocol
from bridle.report.command import (
    DATA,
    DESCRIBED,
    ENGINE,
    NAMED,
    NETWORK,
    SEEDS,
    SPLIT_OPTIONS,
    code_command,
    command,
    quoted,
)
from bridle.results import Study

OPTIONS = {
    "--target": "kind of leg",
    "--task": "classification",
    "--weights": "trust",
    "--categorical": "code",
    "--split": "kfold",
    "--split-seed": "3",
    "--folds": "4",
    "--groups": "herd",
    "--metric": "brier",
    "--tune": "2",
    "--margin": "0.01",
    "--network": "mlp(4)",
    "--seeds": "2",
    "--optimizer": "momentum",
    "--lr": "0.003",
    "--schedule": "constant",
    "--batch-size": "8",
    "--epochs": "1",
    "--class-weight": "balanced",
    "--precision": "float32",
}


def write_table(path):
    rows = "".join(f"{number % 7},{number % 3},{number % 12},{1 + number % 2},{number % 2}\n" for number in range(120))
    path.write_text("x,code,herd,trust,kind of leg\n" + rows)


def test_the_command_of_a_study_is_the_one_that_made_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "my data.csv")
    asked = ["compare", "my data.csv", *(word for pair in OPTIONS.items() for word in pair), "--no-references"]
    done = CliRunner().invoke(app, [*asked, "--recipe", "Dropout(rate=0.2)", "--out", "first"])
    assert done.exit_code == 0, done.output
    made = Study.load(tmp_path / "first")
    words = shlex.split(command(made, [each.asked for each in made.contenders[1:]]))
    assert words[:3] == ["bridle", "compare", "my data.csv"]
    words.remove("--no-references")
    assert dict(zip(words[3::2], words[4::2], strict=True)) == OPTIONS | {"--recipe": "Dropout(rate=0.2)"}
    assert CliRunner().invoke(app, [*words[1:], "--no-references", "--out", "second"]).exit_code == 0
    again = Study.load(tmp_path / "second")
    assert [[run.scores for run in each.runs] for each in again.contenders] == [
        [run.scores for run in each.runs] for each in made.contenders
    ]


def test_what_is_the_default_is_left_out():
    usual = study(lengths=(0.1, 0.0))
    usual.protocol |= {"lr": None, "precision": "auto"}
    assert command(usual, ["L1()"]) == "bridle compare --recipe L1()".replace("L1()", quoted("L1()"))
    usual.data |= {"name": "mnist"}
    assert command(usual, []) == "bridle compare mnist"


def test_the_defaults_are_those_of_the_command():
    given = inspect.signature(compare_recipes).parameters
    expected = {"data": DATA, "network": NETWORK, "seeds": SEEDS, "engine": ENGINE}
    assert {name: given[name].default for name in expected} == expected
    assert {name: given[option].default for name, (option, _) in SPLIT_OPTIONS.items()} == {
        name: usual for name, (_, usual) in SPLIT_OPTIONS.items()
    }


def test_every_option_of_the_command_is_written_or_says_nothing_of_the_result():
    silent = {"keep_models", "out", "as_json", "data_dir"}
    written = {name.removeprefix("--").replace("-", "_") for name in OPTIONS}
    known = set(inspect.signature(compare_recipes).parameters) - silent
    assert known - written == {"data", "recipe", "engine", "references", "time", "split_column"}


@pytest.mark.parametrize(
    "asked",
    [
        Splits(),
        Splits("repeated", seed=2**40),
        Splits("kfold", folds=10, groups="patient id"),
        Splits("repeated", folds=7, time="day", groups="$g"),
        Splits(column="-fold", groups="g", time="t"),
    ],
    ids=str,
)
def test_splits_are_asked_for_by_the_options_of_the_command(asked):
    made = study(data={**study(seeds=1).data, "source": {"path": "t.csv", "splits": asked.to_json()}})
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    given = commands.commands["compare"].make_context("compare", shlex.split(command(made, []))[2:]).params
    assert make_splits(*(given[name] for name in inspect.signature(make_splits).parameters)) == asked


def test_the_names_of_data_and_networks_are_those_that_there_are():
    assert sorted(NAMED) == sorted(NAMES)
    assert [name for name in BY_NAME if not DESCRIBED.fullmatch(f"{name}()")] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {**study(seeds=1).data, "name": "arrays"}},
        {"network": "my_factory"},
        {"seeds": [3, 4, 5, 6, 7]},
        {"metric": "profit"},
    ],
    ids=["arrays", "a module", "seeds of one's own", "a metric of one's own"],
)
def test_what_no_command_can_say_gets_none(changes):
    assert command(replace(study(seeds=1), **changes), ["none"]) == ""


def test_the_code_is_that_of_the_recipe_at_its_length_and_learning_rate():
    fixed = {"optimizer": "adam", "epochs": 7}
    made = study(network="mlp(4)", protocol=fixed)
    asked = code_command(made, "L2(strength=0.01)", lr=0.03, epochs=7)
    words = shlex.split(asked)
    assert words == ["bridle", "code", "L2(strength=0.01)", "--network", "mlp(4)", "--lr", "0.03", "--epochs", "7"]
    printed = CliRunner().invoke(app, words[1:])
    assert printed.output == to_code("L2(strength=0.01)", "mlp(4)", Protocol(lr=0.03, epochs=7))
    assert set(inspect.signature(print_code).parameters) >= {"network", "optimizer", "lr", "epochs"}


def test_the_code_keeps_the_best_epoch_where_the_study_did_and_trains_as_it_did():
    used = {"optimizer": "sgd", "schedule": "constant", "batch_size": 16, "epochs": None, "class_weight": "balanced"}
    made = study(protocol=used, metric="log_loss")
    words = shlex.split(code_command(made, "Dropout(rate=0.2)", lr=0.03, epochs=7))
    printed = CliRunner().invoke(app, words[1:])
    protocol = Protocol("sgd", 0.03, "constant", 16, 7, restore_best=True, metric="log_loss", class_weight="balanced")
    assert printed.output == to_code("Dropout(rate=0.2)", None, protocol)


def test_the_code_of_a_regression_is_one():
    made = study(task="regression", protocol={"optimizer": "adam", "epochs": 7})
    words = shlex.split(code_command(made, "Dropout(rate=0.2)", lr=0.03, epochs=7))
    printed = CliRunner().invoke(app, words[1:])
    assert printed.output == to_code("Dropout(rate=0.2)", None, Protocol(lr=0.03, epochs=7), task="regression")


@pytest.mark.parametrize("text", ["a b.csv", "$(rm x)", "it's", 'a"b', "`x`", "a;b", "", "!x", "é.csv", "a\\b", "*"])
def test_whatever_is_quoted_is_one_word_of_the_shell(text):
    assert shlex.split(quoted(text)) == [text]


def test_a_file_that_looks_like_an_option_is_written_as_a_path():
    made = study(data={**study(seeds=1).data, "source": {"path": "-x.csv", "target": "-y"}})
    assert shlex.split(command(made, []))[2:5] == ["./-x.csv", "--target", "-y"]
