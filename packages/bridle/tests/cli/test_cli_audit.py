"""The commands that look for mistakes, and those that show the rules."""

import pytest
from command_line import run
from typer.testing import CliRunner

from bridle_audit import cli, conversions, exactness
from bridle_audit.rules import RULES

RULE = "relu-on-logits"
CLAMPED = """\
from torch import nn

model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10), nn.ReLU())
loss = nn.CrossEntropyLoss()


def step(x, y):
    return loss(model(x), y)
"""


@pytest.mark.parametrize("options", [(), ("--format", "json"), ("--ignore", RULE), ("--fail-on", "errors"), ("no.py",)])
def test_audit_is_the_linters_own_command(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clamped.py").write_text(CLAMPED)
    ours = run("audit", "clamped.py", *options)
    theirs = CliRunner().invoke(cli.app, ["clamped.py", *options], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert (ours.exit_code, ours.stdout, ours.stderr) == (theirs.exit_code, theirs.stdout, theirs.stderr)
    assert ours.stdout + ours.stderr


# The rules


@pytest.mark.parametrize(("option", "form"), [((), "text"), (("--json",), "json")])
def test_the_rules_are_listed_as_the_linter_lists_them(option, form):
    theirs = CliRunner().invoke(cli.app, ["--rules", "--format", form], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert run("rules", *option).stdout == theirs.stdout
    assert all(name in theirs.stdout for name in RULES)


def test_regularizers_and_rules_are_explained_together_and_unknown_names_say_what_is_near_in_both():
    shown = run("explain", "L2", RULE).stdout
    assert shown.index("L2") < shown.index(f"{RULE}, error")
    assert f"unknown regularizer or rule 'relu-on-logit'; did you mean {RULE}" in run("explain", "relu-on-logit").stderr
    assert "did you mean Dropout" in run("explain", "dropuot").stderr


# Strengths


def test_a_strength_is_converted_and_how_exact_that_is_stands_on_stderr():
    result = run("convert", "0.01", "--from", "keras.L2", "--to", "torch.SGD")
    assert (result.exit_code, result.stdout) == (0, "0.02\n")
    assert result.stderr == f"{exactness('keras.L2', 'torch.SGD')}\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--from", "torch.AdamW", "--to", "composer.DecoupledAdamW", "--lr", "1e-3"), "0.0001"),
        (("--from", "torch.AdamW", "--to", "composer.DecoupledAdamW", "--peak-lr", "1e-2"), "0.001"),
        (("--from", "sklearn.MLP", "--to", "bridle.L2", "--batch-size", "200"), "0.00025"),
        (("--from", "sklearn.Ridge", "--to", "torch.SGD", "--samples", "200"), "0.001"),
        (("--from", "torch.SGD", "--to", "torch.AdamW", "--momentum", "0.9"), "1"),
    ],
)
def test_every_number_that_a_conversion_needs_may_be_given(options, expected):
    assert run("convert", "0.1", *options).stdout == f"{expected}\n"


def test_without_a_target_a_strength_is_shown_in_all_units():
    shown = run("convert", "0.01", "--from", "keras.L2", "--lr", "0.1").stdout
    assert shown == f"{conversions(0.01, source='keras.L2', lr=0.1)}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("0.01", "--from", "kers.L2", "--to", "torch.SGD"), "did you mean keras.L2?"),
        (("0.01", "--from", "torch.AdamW", "--to", "composer.DecoupledAdamW"), "needs peak_lr="),
    ],
)
def test_what_cannot_be_converted_is_said_in_a_sentence(arguments, sentence):
    result = run("convert", *arguments)
    assert result.exit_code == 2 and sentence in result.stderr and result.stderr.count("\n") == 1
