"""The audit of files on programs with marked mistakes: silent where all is right, and as good as the docs say."""

import ast
import json
import re
from collections import Counter

import pytest

from audit_corpus import CORPUS, HINTS, PAGE, Program, Score, corpus, hits, outcomes, page_with, read_rules
from bridle_audit.findings import Finding, Location
from bridle_audit.rules import RULES

PROGRAMS = corpus()
CORRECT = [each for each in PROGRAMS if each.is_correct]


@pytest.fixture(scope="module")
def every():
    return outcomes(PROGRAMS)


def test_there_are_enough_programs_and_half_of_them_are_correct():
    assert len(PROGRAMS) >= 64
    assert len(CORRECT) >= len(PROGRAMS) / 2
    assert sum(each.path.suffix == ".ipynb" for each in PROGRAMS) >= 4


def test_every_rule_that_looks_at_files_has_two_mistakes_to_find_in_two_programs():
    marked = Counter(rule for each in PROGRAMS for rule in each.mistakes)
    assert set(read_rules()) == set(marked)
    assert min(marked.values()) >= 2


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda each: each.path.name)
def test_a_program_is_python_and_each_of_its_marks_is_read(program):
    text = program.path.read_text(encoding="utf-8")
    if program.path.suffix == ".py":
        ast.parse(text)
    else:
        text = "\n".join("".join(each["source"]) for each in json.loads(text)["cells"])
    marks = [mark for each in re.findall(r"finds:.*", text) for mark in re.split(r"finds:|,", each)[1:]]
    assert len(marks) == sum(map(len, program.mistakes.values()))
    assert set(program.mistakes) <= set(RULES)


def test_nothing_is_found_in_correct_programs(every):
    assert [each.wrong for each in every if each.program.is_correct and each.wrong] == []


def test_what_is_an_error_is_one(every):
    assert [each.wrong for each in every if RULES[each.rule].severity == "error" and each.wrong] == []


def test_the_docs_say_how_good_the_rules_are(every):
    text = PAGE.read_text(encoding="utf-8")
    assert page_with(text, every) == text, "python benchmarks/audit_corpus.py --markdown brings the page up to date"


def test_four_notes_are_hints():
    assert {RULES[each].severity for each in HINTS} == {"note"}


def test_a_mark_counts_on_any_line_of_a_finding_and_in_its_own_cell():
    location = Location("a.ipynb", 3, 1, 5, 9, cell=2)
    finding = Finding("", "", "", location=location)
    assert hits(finding, frozenset({(2, 4)}))
    assert not hits(finding, frozenset({(2, 6), (1, 4), (None, 4)}))
    assert not hits(Finding("fc", "", ""), frozenset({(None, 1)}))


def test_a_program_needs_a_first_mark_for_each_rule(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("a = 1  # or finds: l2-inside-adam\n")
    with pytest.raises(ValueError, match=r"a\.py: each rule needs one mark without 'or'"):
        Program.at(path)
    path.write_text("a = 1  # or finds: one, two\nb = 2  # finds: two  # or finds: one\nc = 3  # finds: one\n")
    assert Program.at(path).mistakes == {"one": {(None, 1), (None, 2), (None, 3)}, "two": {(None, 1), (None, 2)}}


def test_precision_and_recall_of_a_small_score():
    score = Score(mistakes=4, found=3, wrong=1)
    assert (score.precision, score.recall) == (0.75, 0.75)
    assert Score(0, 0, 0).cells() == ["0", "0", "0", "0", "–", "–"]


def test_the_corpus_is_where_it_is_said_to_be():
    assert {each.path.parent for each in PROGRAMS} == {CORPUS}
