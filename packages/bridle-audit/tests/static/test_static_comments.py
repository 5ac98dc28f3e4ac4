import pytest

from bridle_audit.static import read_file, read_source
from seed_notebook import write_notebook


def allowed(code, rule="a-rule"):
    """For each call of g, by its line, whether the rule is allowed there."""
    program = read_source(code)
    calls = [each for each in program.all_calls if program.source(each.node.func) == "g"]
    return {each.location.line: program.allows(rule, each.location) for each in calls}


def test_a_comment_counts_on_its_line():
    assert allowed("g()  # bridle: allow[a-rule]\ng()") == {1: True, 2: False}


def test_a_comment_counts_on_any_line_of_a_statement():
    assert allowed("x = f(\n    1,\n    g(),\n)  # bridle: allow[a-rule]\ng()") == {3: True, 5: False}
    assert allowed("x = f(\n    1,\n    # bridle: allow[a-rule]\n    g(),\n)\ng()") == {4: True, 6: False}


def test_a_comment_on_a_line_of_its_own_counts_for_the_statement_below():
    assert allowed("g()\n# bridle: allow[a-rule]\nf(\n    g())\ng()") == {1: False, 4: True, 5: False}


def test_several_comments_above_a_statement_count():
    assert allowed("# bridle: allow[a-rule]\n# bridle: allow[other]\ng()") == {3: True}


def test_a_comment_at_the_end_of_the_line_above_does_not_count():
    assert allowed("f()  # bridle: allow[a-rule]\ng()") == {2: False}


def test_a_comment_with_a_gap_does_not_count():
    assert allowed("# bridle: allow[a-rule]\n\ng()") == {3: False}


@pytest.mark.parametrize(
    "head",
    [
        "def f():  # bridle: allow[a-rule]",
        "# bridle: allow[a-rule]\ndef f():",
        "class A:  # bridle: allow[a-rule]",
        "@one\n@two  # bridle: allow[a-rule]\ndef f():",
        "def f(\n    a,\n):  # bridle: allow[a-rule]",
    ],
)
def test_a_comment_at_a_definition_counts_in_its_body(head):
    lines = allowed(f"{head}\n    if x:\n        g()\n    g()\ng()")
    assert list(lines.values()) == [True, True, False]


def test_a_comment_at_a_block_counts_for_its_head_only():
    assert allowed("for x in g():  # bridle: allow[a-rule]\n    g()") == {1: True, 2: False}


def test_a_comment_between_head_and_body_belongs_to_the_body():
    assert allowed("def f():\n    # bridle: allow[a-rule]\n    g()\n    g()") == {3: True, 4: False}


def test_one_comment_may_name_several_rules():
    code = "g()  # bridle: allow[other, a-rule]  as agreed"
    assert allowed(code) == allowed(code, "other") == {1: True}
    assert allowed(code, "third") == {1: False}


def test_a_whole_file_may_be_allowed():
    assert allowed("# bridle: allow-file[a-rule]\ng()\ndef f():\n    g()") == {2: True, 4: True}
    assert allowed("# bridle: allow-file[other]\ng()") == {2: False}


def test_a_text_that_looks_like_a_comment_is_none():
    assert allowed("g('# bridle: allow[a-rule]')") == {1: False}
    assert allowed("'''\n# bridle: allow[a-rule]\n'''\ng()") == {4: False}


@pytest.mark.parametrize("comment", ["# bridle: allow", "# bridle: allow[]", "# bridle: allow a-rule"])
def test_a_comment_without_a_name_allows_nothing_and_is_remarked(comment):
    program = read_source(f"f()\ng()  {comment}")
    assert program.remarks == ["line 2: write # bridle: allow[rule-name]"]
    assert allowed(f"g()  {comment}") == {1: False}


def test_a_comment_counts_in_its_cell(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", ["f()\ng()", "%time f()\ng()  # bridle: allow[a-rule]", "f()\ng()"])
    program = read_file(path)
    places = [each.location for each in program.all_calls]
    assert [(each.cell, each.line) for each in places if program.allows("a-rule", each)] == [(2, 2)]
