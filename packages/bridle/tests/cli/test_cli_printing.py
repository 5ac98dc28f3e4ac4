"""What the commands print fits where it is printed: terminals of any width, pipes, and logs."""

import ast
import os
import pty
import re
import subprocess
import sys
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from bridle import CATALOG
from bridle.cli import app, printing
from bridle.cli.printing import EVERY, ProgressLines, progress_bar
from bridle.pages.source import source_of
from bridle_audit.cli.console import PIPE_WIDTH, columns, show

CLI = [sys.executable, "-m", "bridle"]


def run(*command, **variables):
    return CliRunner().invoke(app, command, env={"COLUMNS": None, **variables})


def blocks(shown):
    """The source that `explain` shows, by its heading."""
    parts = re.split(r"^(In NumPy, the gradient by hand|In PyTorch|What both share):\n", shown, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", ["CutMix", "Dropout", "WeightDecay", "VAT"])
def test_code_that_is_explained_stays_code_and_prose_keeps_to_the_width(name, width):
    shown = run("explain", name, COLUMNS=str(width)).stdout
    source = source_of(CATALOG[name])
    for heading, text in (("In NumPy, the gradient by hand", source.vanilla), ("In PyTorch", source.torch)):
        printed, written = (list(map(ast.unparse, bodies(code))) for code in (blocks(shown)[heading], text))
        assert printed == written != []
    prose = shown.partition("Example:")[0].splitlines()[2:]
    assert max(map(len, prose)) <= width
    assert len(prose) > 10


def bodies(code):
    """The functions of a source without what is only said."""
    for function in ast.parse(dedent(code)).body:
        if isinstance(function, ast.FunctionDef):
            has_docstring = ast.get_docstring(function) is not None
            function.body = function.body[has_docstring:]
            yield function


def test_a_narrow_terminal_gets_knobs_as_paragraphs():
    shown = run("explain", "Dropout", COLUMNS="40").stdout
    assert "    rate=0.5, off at 0, [0, 1): fraction\n    of units dropped\n" in shown
    assert "─" not in shown


def test_a_list_has_a_line_for_each_entry_unless_a_width_is_asked_for():
    whole, folded = run("list", "batch").stdout, run("list", "batch", COLUMNS="60").stdout
    assert len(whole.splitlines()) == 1 + len([leaf for leaf in CATALOG.values() if leaf.place == "batch"])
    assert max(map(len, whole.splitlines())) > PIPE_WIDTH
    assert max(map(len, folded.splitlines())) <= 60
    assert whole.split()[:4] == folded.split()[:4]


@pytest.mark.parametrize(
    ("said", "width"), [("80", 80), ("1", 20), ("0", None), ("-5", None), ("wide", None), ("²", None)]
)
def test_a_width_is_taken_from_columns_where_it_is_one(monkeypatch, said, width):
    monkeypatch.setenv("COLUMNS", said)
    assert columns() == width


@pytest.mark.parametrize("command", [("list",), ("rules",), ("explain", "Dropout", "relu-on-logits")])
def test_a_pipe_gets_neither_colours_nor_spaces_that_fill_a_line(command):
    shown = run(*command).stdout
    assert "\x1b" not in shown
    assert not [line for line in shown.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("command", [("list",), ("code", "Dropout(rate=0.2)")])
def test_a_reader_that_goes_early_leaves_no_traceback(command):
    with subprocess.Popen([*CLI, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stderr is not None
        writer.stdout.read(1)
        writer.stdout.close()
        assert writer.stderr.read() == b""


def on_a_terminal(*command, **variables):
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    environment |= {"TERM": "xterm", "COLUMNS": "80", **variables}
    with subprocess.Popen([*CLI, *command], stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:  # the other end is closed
            pass
    os.close(ours)
    return shown.decode()


def test_a_terminal_gets_colours_unless_none_are_wanted():
    assert "\x1b[9" in on_a_terminal("explain", "Dropout")
    assert not re.search(r"\x1b\[\d*;?[349]\d", on_a_terminal("explain", "Dropout", NO_COLOR="1"))


def test_letters_that_an_encoding_lacks_stop_nothing():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    shown = subprocess.run([*CLI, "explain", "Dropout"], capture_output=True, env=environment, check=False)
    assert shown.returncode == 0
    assert shown.stderr == b""


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_log_gets_a_line_of_progress_now_and_then(capsys):
    clock = Clock()
    lines = ProgressLines(clock)
    for done in range(0, 1300, 100):  # every second a hundred steps
        lines.watch("training", done, 10_000)
        clock.now += 1
    first = "training: 10 % (1,000 of 10,000 steps), about 2 min left\n"
    assert capsys.readouterr().err == first
    clock.now += EVERY
    lines.watch("training", 10_000, 10_000)
    assert capsys.readouterr().err == "training: 100 % (10,000 of 10,000 steps), about 1 s left\n"


def test_what_an_earlier_session_has_done_does_not_count_for_the_pace(capsys):
    clock = Clock()
    lines = ProgressLines(clock)
    lines.watch("training", 9000, 10_000)
    clock.now += 20
    lines.watch("training", 9200, 10_000)
    assert capsys.readouterr().err == "training: 92 % (9,200 of 10,000 steps), about 80 s left\n"


def test_progress_of_a_command_goes_to_stderr_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(printing, "EVERY", 0.0)
    command = ("compare", "--seeds", "1", "--epochs", "2", "--network", "mlp(4)", "--json", "--out", str(tmp_path))
    result = run(*command)
    assert re.search(r"^training: \d+ % \([\d,]+ of [\d,]+ steps\)", result.stderr, flags=re.MULTILINE)
    assert result.stdout.startswith("{")
    assert "training:" not in result.stdout


def test_the_bar_is_for_terminals(capsys):
    with progress_bar() as watch:
        watch("training", 1, 2)
    assert capsys.readouterr() == ("", "")
    show("done")
    assert capsys.readouterr().out == "done\n"


def test_a_name_of_any_length_gets_a_message_that_fits_on_a_screen():
    result = run("inspect", "x" * 50_000)
    assert result.exit_code == 2
    assert len(result.stderr) < 3100
    assert run("audit", "").exit_code == 2


def test_control_characters_of_names_and_words_are_shown_and_not_obeyed(tmp_path):
    words = ("yes", "n\x1b[2Jo", "yes")
    rows = [f"\x1b]0;title\x07{row % 2},{words[row % 3]},{row * row}" for row in range(40)]
    table = tmp_path / "a\x1b[31mb.csv"
    table.write_text("\n".join(["wo\x1b[1mrd,y,x\x9b5m\x7f", *rows]), encoding="utf-8")
    shortest = ("--recipe", "L2", "--seeds", "2", "--epochs", "1", "--out", tmp_path / "out")
    commands = (
        ("describe", table, "--target", "y"),
        ("describe", table, "--target", "z"),
        ("compare", table, "--target", "y", *shortest),
        ("audit", tmp_path),
        ("inspect", table),
    )
    for command in commands:
        done = run(*map(str, command))
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stdout + done.stderr)
    shown = run(*map(str, commands[0])).stdout
    assert r"a\x1b[31mb: classification of y, 2 classes (n\x1b[2Jo, yes)" in shown and r"wo\x1b[1mrd" in shown
