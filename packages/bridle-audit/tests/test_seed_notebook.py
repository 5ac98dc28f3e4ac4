"""The notebook that this project grew out of: what the audit finds in it, as a script and as a notebook."""

import ast
from collections import Counter

import pytest

from bridle_audit.run.files import audit_files
from seed_notebook import CELLS, write_notebook, write_script

EXPECTED = {
    "relu-on-logits": 3,
    "dropout-on-logits": 1,
    "decay-below-resolution": 1,
    "l2-inside-adam": 1,
    "penalized-bias": 1,
    "one-seed": 1,
}


FORMS = [pytest.param(write_notebook, "notebook.ipynb"), pytest.param(write_script, "notebook.py")]


@pytest.mark.parametrize(("write", "name"), FORMS)
def test_its_mistakes_are_found_and_nothing_else(write, name, tmp_path):
    audit = audit_files([write(tmp_path / name)])
    assert Counter(each.rule for each in audit.findings) == EXPECTED
    assert audit.remarks == ()


@pytest.mark.parametrize(("write", "name"), FORMS)
def test_each_mistake_is_found_at_its_line(write, name, tmp_path):
    path = write(tmp_path / name)
    lines = path.read_text(encoding="utf-8").splitlines()
    places: dict[str, list[str]] = {rule: [] for rule in EXPECTED}
    for each in audit_files([path]).findings:
        assert each.location is not None
        source = lines if each.location.cell is None else CELLS[each.location.cell - 1].splitlines()
        places[each.rule].append(source[each.location.line - 1].strip())
    optimizer = "optimizer = optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-15)"
    assert sorted(places.pop("relu-on-logits")) == ["nn.ReLU()", "nn.ReLU(),", "nn.ReLU(),"]
    assert places.pop("dropout-on-logits") == ["nn.Dropout()"]
    assert places.pop("decay-below-resolution") == places.pop("l2-inside-adam") == [optimizer]
    assert places.pop("penalized-bias") == ["l2_loss = sum(torch.norm(param) ** 2 for param in model.parameters())"]
    assert list(places) == ["one-seed"]


def test_the_script_is_python(tmp_path):
    assert ast.parse(write_script(tmp_path / "notebook.py").read_text(encoding="utf-8")).body
