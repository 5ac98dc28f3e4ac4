"""The commands that list and explain regularizers."""

import io
import json
import re

import pytest
from command_line import run
from rich.console import Console

from bridle import CATALOG
from bridle.knobs import knobs
from bridle.pages import catalog_of, listing
from bridle.pages.catalog import by_whom, card, conflicts_of, in_short, summary
from bridle.recipe import PLACES
from bridle_audit.report.prose import plain


def test_the_catalog_is_listed_by_place_with_a_line_for_each_and_all_its_knobs():
    result = run("list")
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if line]
    assert [line.partition(":")[0] for line in lines if not line.startswith(" ")] == list(PLACES)
    entries = [line for line in lines if line.startswith(" ")]
    assert [line.split()[0] for line in entries] == list(CATALOG)
    for line, leaf in zip(entries, CATALOG.values(), strict=True):
        assert line.endswith(f"({', '.join(map(in_short, knobs(leaf)))})") and summary(leaf) in line
    assert "(rate=0.5, at=hidden)" in result.stdout


@pytest.mark.parametrize("width", [80, 120, 140])
def test_on_a_terminal_the_list_is_folded_to_its_width(width):
    screen = io.StringIO()
    Console(file=screen, width=width, force_terminal=True, no_color=True).print(listing(catalog_of()))
    lines = re.sub(r"\x1b\[\d*m", "", screen.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    shown = " ".join(" ".join(lines).split())
    for leaf in CATALOG.values():
        assert f"{leaf.__name__} {summary(leaf)} {in_short(knobs(leaf)[0])}" in shown


def test_one_place_is_listed_alone():
    shown = run("list", "batch").stdout
    assert [line.split()[0] for line in shown.splitlines()[1:]] == [leaf.__name__ for leaf in catalog_of()["batch"]]


def test_the_list_in_json_says_all_that_is_declared():
    listed = json.loads(run("list", "--json").stdout, parse_constant=pytest.fail)
    assert [(each["name"], each["place"]) for each in listed] == [(n, leaf.place) for n, leaf in CATALOG.items()]
    by_name = {each["name"]: each for each in listed}
    assert by_name["Dropout"]["knobs"][0] == {
        "name": "rate",
        "default": 0.5,
        "meaning": "fraction of units dropped",
        "off": 0.0,
        "low": 0.0,
        "high": 1.0,
        "open_low": False,
        "open_high": True,
        "log": False,
    }
    for name, leaf in CATALOG.items():
        declared = [(each.name, each.default, each.off) for each in knobs(leaf) if each.is_number]
        read = [(each["name"], float(each["default"]), each["off"]) for each in by_name[name]["knobs"] if "off" in each]
        assert [(*given, off if off is None else float(off)) for *given, off in read] == declared


@pytest.mark.parametrize("name", CATALOG)
def test_a_regularizer_is_explained_by_its_card_its_knobs_and_both_sources(name):
    result = run("explain", name)
    assert result.exit_code == 0
    leaf, shown = CATALOG[name], " ".join(result.stdout.split())
    for heading, text in card(leaf).sections:
        assert f"{heading}:" in shown
        assert heading == "Conflicts" or " ".join(plain(text).split()) in shown
    for each in conflicts_of(leaf):
        assert f"{each.severity} with {', '.join(each.names)}{by_whom(leaf, each)} {plain(each.sentence)}" in shown
    assert f"def {leaf.vanilla.__name__}(" in shown and f"def {leaf.torch.__name__}(" in shown
    assert all(each.meaning.split(":")[0] in shown for each in knobs(leaf))


def test_several_regularizers_are_explained_one_after_the_other():
    alone = [run("explain", name).stdout for name in ("L2", "Dropout")]
    assert run("explain", "L2", "Dropout").stdout.split() == " ".join(alone).split()
    assert run("explain", "L2", "Dropuot").stdout == ""
