"""A card is read once, for everybody who shows or obeys it."""

import re
import subprocess
import sys

import pytest
from card_checks import check_card

from bridle import CATALOG, EMA, Dropout
from bridle.card import SECTIONS, Card, Conflict, card_of
from bridle.places import Layer

TEXT = """Halves everything, and
    says so.

    A second paragraph.

    Formula:
        h ← h / 2,
            in every step

    Helps when:
        There is too much.

    Conflicts:
        Dropout: refused. Twice is a quarter; drop one.
        EMA, SWA: doubtful. Halves of averages are small.

    Example:
        >>> 1 / 2
        0.5
    """


def test_a_card_is_taken_apart_at_its_headings():
    card = Card.read(TEXT)
    assert card.summary == "Halves everything, and says so."
    assert card.opening.endswith("A second paragraph.")
    assert card.headings == ("Formula", "Helps when", "Conflicts", "Example")
    assert card["Formula"] == "h ← h / 2,\n    in every step"
    assert card["Example"] == ">>> 1 / 2\n0.5"
    assert card["Paper"] == ""


def test_conflicts_are_read():
    assert Card.read(TEXT).conflicts == (
        Conflict(("Dropout",), "refused", "Twice is a quarter; drop one."),
        Conflict(("EMA", "SWA"), "doubtful", "Halves of averages are small."),
    )


@pytest.mark.parametrize(
    "line",
    [
        "Dropout",
        "Dropout refused",
        "Dropout: never. Why.",
        "Dropout: refused",
        "Dropout: refused. ",
        "EMA,SWA: refused. A.",
    ],
)
def test_a_conflict_in_another_form_gets_a_sentence(line):
    with pytest.raises(
        ValueError, match=f"cannot read the conflict '{re.escape(line.strip())}.*; write it in one line as"
    ):
        Card.read(f"Does it.\n\nConflicts:\n    {line}")


def test_the_class_with_a_conflict_that_cannot_be_read_is_named():
    class Odd:
        """Does it.

        Conflicts:
            with everything
        """

    with pytest.raises(ValueError, match=r"^Odd: cannot read the conflict 'with everything'"):
        card_of(Odd)


@pytest.mark.usefixtures("own_leaves")
def test_a_class_without_a_card_has_an_empty_one():
    class Bare(Dropout):
        pass

    assert card_of(Bare) == Card.read("") == Card("", (), ())


def test_the_docstring_of_a_base_is_no_card():
    assert card_of(Layer).headings == ()


@pytest.mark.parametrize("leaf", CATALOG.values())
def test_nothing_of_a_card_is_lost(leaf):
    card = card_of(leaf)
    words = " ".join([card.opening, *(f"{heading}: {text}" for heading, text in card.sections)]).split()
    assert words == leaf.__doc__.split()
    assert set(card.headings) <= set(SECTIONS)


def test_the_catalog_has_conflicts_and_conversions():
    assert card_of(EMA).conflicts[0].names == ("SWA", "Lookahead", "SnapshotEnsemble")
    assert any(card_of(leaf)["Conversion"] for leaf in CATALOG.values())


def test_reading_cards_takes_the_standard_library_alone():
    code = "import sys, bridle.card; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


SOUND = """Does a little.

    Formula:
        as below

    Helps when:
        A check is checked.

    Hurts when:
        It is taken seriously.

    Conversion:
        None.

    Conflicts:
        Dropout, L2: refused. It hurts.
        Tiny: doubtful. Twice is a lot.

    Example:
        >>> 1

    Paper:
        None, 2000, https://example.org
    """


def with_card(text):
    return type("Tiny", (), {"__doc__": text})


def test_a_sound_card_passes(monkeypatch):
    leaf = with_card(SOUND)
    monkeypatch.setitem(CATALOG, "Tiny", leaf)
    check_card(leaf)
    check_card(with_card(re.sub(r"    (Conversion|Conflicts):\n(        .*\n)+\n", "", SOUND)))


@pytest.mark.parametrize(
    ("right", "fault", "message"),
    [
        ("Does a little.", "Does a little", "opens with a sentence"),
        ("Hurts when", "Harms when", "Tiny has .*, expected"),
        ("        None.\n", "\n", "Conversion is empty"),
        ("Conversion:\n        None.\n\n    Conflicts", "Conflicts:\n\n    Conversion", "Tiny has .*, expected"),
        ("    Formula:\n        as below\n\n", "", "Tiny has .*, expected"),
        ("https://example.org", "a library", "the paper has no address"),
        ("Dropout, L2", "Dropout, L3", "the catalog has no L3"),
        ("Dropout, L2", "EMA, EMA", "names a regularizer in two conflicts"),
        ("Dropout, L2", "Rival", "Tiny and Rival state their conflict twice"),
        ("It hurts.", "It hurts", "'It hurts' is no sentence"),
    ],
)
def test_a_fault_in_a_card_is_found(monkeypatch, right, fault, message):
    leaf = with_card(SOUND.replace(right, fault))
    rival = type("Rival", (), {"__doc__": "Does.\n\nConflicts:\n    Tiny: doubtful. Both do."})
    monkeypatch.setitem(CATALOG, "Tiny", leaf)
    monkeypatch.setitem(CATALOG, "Rival", rival)
    with pytest.raises(AssertionError, match=message):
        check_card(leaf)
