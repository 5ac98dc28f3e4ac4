import errno
import json
import os

import pytest

from bridle_audit.static import Unreadable, find_files, read_file, read_source
from bridle_audit.static.source.loading import CODE_LIMIT, NOTEBOOK_LIMIT
from seed_notebook import write_notebook


def sentence(path, content):
    """What is said of a file that cannot be read."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(Unreadable) as caught:
        read_file(path)
    assert caught.value.file == str(path)
    said = str(caught.value)
    assert "\n" not in said
    return said.removeprefix(f"{path}: ")


def test_python_files_and_notebooks_below_a_folder_are_found_in_order(tmp_path):
    for name in ("b.py", "a.ipynb", "c.txt", "deep/er/d.py", "deep/e.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    found = [each.relative_to(tmp_path).as_posix() for each in find_files([tmp_path])]
    assert found == ["a.ipynb", "b.py", "deep/e.py", "deep/er/d.py"]


@pytest.mark.parametrize("folder", [".git", "node_modules", "__pycache__", ".venv", "venv", "site-packages", "build"])
def test_folders_of_others_are_left_out(tmp_path, folder):
    (tmp_path / folder / "inner").mkdir(parents=True)
    (tmp_path / folder / "inner" / "a.py").touch()
    assert list(find_files([tmp_path])) == []
    assert list(find_files([tmp_path / folder / "inner"])) == [tmp_path / folder / "inner" / "a.py"]


def test_an_environment_of_any_name_is_left_out(tmp_path):
    (tmp_path / "py311").mkdir()
    (tmp_path / "py311" / "pyvenv.cfg").touch()
    (tmp_path / "py311" / "a.py").touch()
    assert list(find_files([tmp_path])) == []


def test_a_file_that_is_named_is_always_taken_and_each_only_once(tmp_path):
    script = tmp_path / "train"
    script.touch()
    (tmp_path / "a.py").touch()
    assert list(find_files([script, tmp_path, tmp_path / "a.py"])) == [script, tmp_path / "a.py"]


def test_a_syntax_error_is_named_with_its_line(tmp_path):
    assert sentence(tmp_path / "a.py", "x = 1\ny = = 2\n").startswith("line 2: invalid syntax")


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ('print "hello"', "a print statement"),
        ("print x", "a print statement"),
        ("try:\n    f()\nexcept ValueError, e:\n    pass", "an 'except X, e'"),
        ("raise ValueError, 'no'", "a 'raise X, message'"),
        ('exec "x = 1"', "an exec statement"),
        ("x = 0777", "an integer of Python 2"),
        ("x = 10L", "an integer of Python 2"),
        ("x = ur'a'", "a ur'...' string"),
        ("if a <> b: pass", "an operator of Python 2"),
    ],
)
def test_python_2_is_said_to_be_python_2(tmp_path, code, what):
    assert f"this is Python 2, it has {what}" in sentence(tmp_path / "a.py", f"import os\n{code}\n")


def test_an_error_in_python_3_is_not_taken_for_python_2(tmp_path):
    said = sentence(tmp_path / "a.py", "print('a'\nx = 1\n")
    assert "Python 2," not in said


@pytest.mark.parametrize("content", [b"\x00\x01\x02", b"x = 1\x00", "x = 'é'".encode("latin-1"), b"\xff\xfex\x00"])
def test_a_binary_file_is_said_to_be_one(tmp_path, content):
    assert sentence(tmp_path / "a.py", content).startswith("a binary file")


def test_a_coding_cookie_and_a_byte_order_mark_are_honoured(tmp_path):
    path = tmp_path / "a.py"
    path.write_bytes("# -*- coding: latin-1 -*-\nname = 'é'\n".encode("latin-1"))
    assert "é" in read_file(path).text
    path.write_bytes(b"\xef\xbb\xbfx = 1\n")
    assert read_file(path).tree.body
    path.write_bytes(b"# coding: nonsense\nx = 1\n")
    with pytest.raises(Unreadable):
        read_file(path)


def test_a_file_of_windows_has_the_same_lines(tmp_path):
    path = tmp_path / "a.py"
    path.write_bytes(b"x = 1\r\nif x:\r\n    f(x)\r\n")
    assert read_file(path).calls("?")[0].location.line == 3


def test_a_long_file_is_not_read(tmp_path):
    path = tmp_path / "a.py"
    with path.open("wb") as file:
        file.truncate(50_000_001)
    with pytest.raises(Unreadable, match=r"a\.py: 50\.0 MB; files of more than 2 MB are not read"):
        read_file(path)
    path.write_text("x = 1\n" * (CODE_LIMIT // 6), encoding="utf-8")
    assert read_file(path).tree.body


def test_a_notebook_is_long_by_its_code_not_by_what_it_printed(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", ["f(1)"])
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][1]["outputs"] = [{"data": {"image/png": "A" * 3_000_000}}]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert read_file(path).text == "f(1)"
    write_notebook(path, ["x = 1\n" * 400_000])
    with pytest.raises(Unreadable, match="more than 2,000,000 characters of code"):
        read_file(path)
    with path.open("wb") as file:
        file.truncate(NOTEBOOK_LIMIT + 1)
    with pytest.raises(Unreadable, match="50 MB"):
        read_file(path)


@pytest.mark.parametrize(
    "code",
    [
        "(" * 500 + ")" * 500,
        "x = " + "-" * 100_000 + "1",
        "a" + ".b" * 50_000,
        "x = " + "[" * 5_000,
        "1 + " * 30_000 + "1",
    ],
)
def test_code_that_is_nested_deeply_does_not_stop_the_audit(tmp_path, code):
    path = tmp_path / "a.py"
    path.write_text(f"import torch\n{code}\n", encoding="utf-8")
    try:
        program = read_file(path)
    except Unreadable as error:
        assert str(error).startswith(str(path))
    else:
        assert not (program.networks or program.losses or program.optimizers or program.trainings)


def test_deep_blocks_and_calls_that_never_end_are_followed_as_far_as_they_go():
    deep = "\n".join("    " * depth + "if x:" for depth in range(90)) + "\n" + "    " * 90 + "f(x)"
    forever = "def f(x):\n    return g(x)\ndef g(x):\n    return f(x)\nF.cross_entropy(f(x), y)"
    assert read_source(f"import torch\n{deep}").losses == []
    losses = read_source(f"import torch.nn.functional as F\n{forever}").losses
    assert [each.kind for each in losses] == ["cross_entropy"]


def test_many_branches_do_not_take_long():
    branches = "\n".join(f"        if a{number}: x = self.f{number}(x)" for number in range(400))
    program = read_source(
        f"import torch.nn as nn\nclass Net(nn.Module):\n    def forward(self, x):\n{branches}\n        return x"
    )
    assert {op.kind for op in program.networks[0].flow} == {"?"}


def test_what_is_computed_with_large_numbers_is_unknown():
    program = read_source("x = 9 ** 9 ** 9\ny = 'a' * 10 ** 9\nf(x, y)")
    call = program.calls("?")[0]
    assert not call.value(0)
    assert not call.value(1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "a broken notebook: it is not JSON"),
        ("{", "a broken notebook: it is not JSON"),
        ("[" * 100_000, "a broken notebook: it is not JSON"),
        ("[]", "a broken notebook: it has no cells"),
        ("{}", "a broken notebook: it has no cells"),
        ('{"cells": 3}', "a broken notebook: it has no cells"),
        ('{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}', "a notebook in R; only Python is read"),
        ('{"cells": [], "metadata": {"language_info": {"name": "julia"}}}', "a notebook in julia; only Python is read"),
    ],
)
def test_a_broken_notebook_is_said_to_be_broken(tmp_path, content, said):
    assert sentence(tmp_path / "a.ipynb", content).startswith(said)


@pytest.mark.parametrize("cells", ['[null, 3, {"cell_type": "code"}]', '[{"cell_type": "code", "source": null}]', "[]"])
def test_a_notebook_with_odd_cells_is_read(tmp_path, cells):
    path = tmp_path / "a.ipynb"
    path.write_text(f'{{"cells": {cells}, "metadata": null}}', encoding="utf-8")
    assert read_file(path).networks == []


def refused(*given):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_what_cannot_be_opened_is_said(tmp_path):
    for path, why in ((tmp_path / "no.py", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(Unreadable, match=f"cannot be opened: {why}"):
            read_file(path)


def test_what_may_not_be_read_is_said(tmp_path, monkeypatch):
    path = tmp_path / "a.py"
    path.touch(mode=0o000)
    if os.geteuid() == 0:  # who may read everything
        monkeypatch.setattr("pathlib.Path.open", refused)
    with pytest.raises(Unreadable, match="permission denied"):
        read_file(path)


def test_a_file_of_another_field_is_not_relevant():
    program = read_source("import flask\napp = flask.Flask(__name__)\nclass Net(Base):\n    def forward(self, x): ...")
    assert not program.is_relevant
    assert not (program.networks or program.losses or program.optimizers)
    assert read_source("from torch import nn").is_relevant
