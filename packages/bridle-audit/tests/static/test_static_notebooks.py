import ast
import json

import pytest

from bridle_audit.static import Unreadable, read_file, read_source
from bridle_audit.static.source.magics import to_python
from seed_notebook import CELLS, write_notebook, write_script


def line_at(location, cells):
    """The line that a place shows, from its column on."""
    return cells[location.cell - 1].splitlines()[location.line - 1][location.column - 1 :]


def test_the_notebook_is_followed_from_cell_to_cell(tmp_path):
    program = read_file(write_notebook(tmp_path / "a.ipynb"))
    assert program.remarks == []
    assert [each.name for each in program.networks] == ["Network", "NetworkWithDropout", "NetworkWithBatchNorm"]
    trained = [each.network and each.network.name for each in program.losses]  # one function, called for four networks
    assert trained == ["Network", "Network", "NetworkWithDropout", "NetworkWithBatchNorm"]
    last = [each.last and each.last.kind for each in program.losses]
    assert last == ["activation:relu", "activation:relu", "dropout", "activation:relu"]
    assert {each.kind for each in program.losses} == {"cross_entropy"}
    assert not any(each.under_no_grad for each in program.losses)


def test_the_script_says_the_same_as_the_notebook(tmp_path):
    one, other = read_file(write_notebook(tmp_path / "a.ipynb")), read_file(write_script(tmp_path / "a.py"))
    for kind in ("networks", "losses", "optimizers", "trainings", "evaluations"):
        assert len(getattr(one, kind)) == len(getattr(other, kind)) > 0
    assert [repr(each.logits) for each in one.losses] == [repr(each.logits) for each in other.losses]
    assert other.losses[0].last is not None and other.losses[0].last.location.cell is None


def test_a_place_in_a_notebook_is_a_cell_and_a_line_of_it(tmp_path):
    program = read_file(write_notebook(tmp_path / "a.ipynb"))
    relu, _, dropout, _ = [each.last.location for each in program.losses if each.last]
    assert (relu.cell, relu.line, str(relu)) == (7, 11, f"{tmp_path / 'a.ipynb'}:cell 7:11:9")
    assert line_at(relu, CELLS) == "nn.ReLU()"
    assert line_at(dropout, CELLS) == "nn.Dropout()"
    decays = [each.call.argument(None, "weight_decay") for each in program.optimizers]
    places = [program.location(each) for each in decays if each is not None]
    assert [line_at(each, CELLS) for each in places] == ["1e-15)"]


def test_code_behind_a_magic_keeps_its_columns(tmp_path):
    cells = ["import torch", "%time train(model)", "  \n%%time\nx = f(1)", "%timeit -n 10 -r 3 g(2)", "%prun  h(3)"]
    program = read_file(write_notebook(tmp_path / "a.ipynb", cells))
    assert program.remarks == []
    places = [each.location for each in program.all_calls]
    assert [line_at(each, cells) for each in places] == ["train(model)", "f(1)", "g(2)", "h(3)"]
    assert [each.cell for each in places] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("!pip install torch", "pass"),
        ("if colab:\n    !pip install torch", "if colab:\n    pass"),
        ("!wget \\\n  http://a \\\n  -O b\nf(x)", "pass\n\n\nf(x)"),
        ("%matplotlib inline\nimport torch", "pass\nimport torch"),
        ("files = !ls", "files = _"),
        ("best = %timeit -o f(x)", "best = _"),
        ("model?", "pass"),
        ("nn.Linear??", "pass"),
        ("?model", "pass"),
        ("%%bash\nls -l\nfor f in *; do echo $f; done", "\n\n"),
        ("%%html\n<b>", "\n"),
        ("%%writefile a.py\nprint 1", "\n"),
        ("%%capture out\nf(x)", "\nf(x)"),
        ("x = (7\n% 4)\n%load_ext tensorboard", "x = (7\n% 4)\npass"),
        ('s = """\n%time a\n"""\n!ls', 's = """\n%time a\n"""\npass'),
    ],
)
def test_what_is_ipythons_is_taken_out(cell, code):
    assert to_python(cell)[0] == code
    assert code.count("\n") == cell.count("\n")
    ast.parse(code)


def test_a_cell_that_is_python_is_not_touched(tmp_path):
    cells = ["x = (7\n  % 4)", "s = '''\n!ls\n%time\nwhat?\n'''", "await f(x)"]
    program = read_file(write_notebook(tmp_path / "a.ipynb", cells))
    assert program.text == "\n".join(cells)
    assert program.remarks == []


def test_a_broken_cell_is_left_out_with_a_remark(tmp_path):
    program = read_file(write_notebook(tmp_path / "a.ipynb", ["import torch", "x = = 1", "f(x)"]))
    assert len(program.remarks) == 1
    assert program.remarks[0].startswith("cell 2, line 1: left out: invalid syntax")
    assert program.calls("?")[0].location.cell == 3


def test_a_notebook_without_a_cell_that_can_be_read_is_unreadable(tmp_path):
    with pytest.raises(Unreadable, match="none of its cells can be read as Python; the first: cell 1, line 1"):
        read_file(write_notebook(tmp_path / "a.ipynb", ["x = = 1", "y = = 2", ""]))


def test_a_notebook_in_python_2_is_said_to_be_one(tmp_path):
    with pytest.raises(Unreadable, match="cell 2, line 1: this is Python 2"):
        read_file(write_notebook(tmp_path / "a.ipynb", ["x = 1", "print x"]))


def test_worksheets_of_old_notebooks_are_read(tmp_path):
    path = tmp_path / "a.ipynb"
    cells = [
        {"cell_type": "heading", "source": "a"},
        {"cell_type": "code", "input": ["f(1)\n", "g(2)"], "language": "python"},
    ]
    path.write_text(json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}), encoding="utf-8")
    program = read_file(path)
    assert [(each.location.cell, each.location.line) for each in program.all_calls] == [(1, 1), (1, 2)]


def test_columns_count_characters_not_bytes():
    program = read_source("x = 'äöü'; f(x)")
    assert program.calls("?")[0].location.column == 12
    assert program.calls("?")[0].location.end_column == 16


def test_a_script_with_magics_is_read_like_a_cell():
    program = read_source("import torch\n%matplotlib inline\n%time f(x)\n")
    assert (program.calls("?")[0].location.line, program.calls("?")[0].location.column) == (3, 7)


def test_unusual_line_ends_do_not_move_places():
    program = read_source("a = '\x0c'\nb = '\u2028'\nf(x)\n")
    assert program.calls("?")[0].location.line == 3
    assert program.source(program.calls("?")[0].node) == "f(x)"
