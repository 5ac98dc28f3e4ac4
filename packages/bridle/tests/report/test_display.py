"""How results show themselves: one line as a repr, a table as text, table and charts as HTML in a notebook."""

import json
import os
import re
import sys
from html.parser import HTMLParser

import nbformat
import pytest
from nbclient import NotebookClient
from studies import BASELINE, DROPOUT, SIX, study

from bridle.report import study_text

HOSTILE = "</script><script>alert(1)</script><b>x</b>"


class Parts(HTMLParser):
    """The text of cells, what is loaded from elsewhere, the ids, and the scripts by their class."""

    def __init__(self, html):
        super().__init__()
        self.cells, self.loaded, self.ids, self.scripts, self.inside = [], [], [], {}, None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.loaded += [given[name] for name in ("src", "href") if given.get(name)]
        self.ids += [given["id"]] if "id" in given else []
        self.inside = ("script", given.get("class", "")) if tag == "script" else (tag, "")
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        match self.inside:
            case ("script", name):
                self.scripts[name] = data
            case ("td" | "th", _):
                self.cells[-1] += data


def test_a_repr_is_one_line_that_says_what_it_is():
    made = study(seeds=3)
    assert repr(made) == "<Study digits, mlp(128, 64): 6 recipes × 3 seeds, by validation log-loss>"
    run = made.contenders[3].runs[1]
    score = run.scores["valid"]
    scores = f"validation log-loss {score['log_loss']:.4g}, accuracy {score['accuracy']:.4g}"
    assert repr(run) == f"<Run {DROPOUT}, seed 1: {scores}; 20 epochs>"


def test_a_repr_says_what_went_wrong_and_stays_one_line():
    made = study(diverged=[(1, 0)], finished=False, network="mlp(\n4)", recipes=(BASELINE, "two\nlines"))
    assert repr(made).endswith("by validation log-loss, unfinished>")
    assert repr(made.contenders[1].runs[0]).endswith("diverged in epoch 3>")
    assert "\n" not in repr(made) + repr(made.contenders[1].runs[0])


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_as_text_a_study_is_its_table(task):
    made = study(task=task)
    assert str(made) == study_text(made)
    assert all(part in str(made) for name in SIX for part in name.split(" + "))
    assert f"{made}" == str(made)
    assert "\x1b" not in str(made)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_html_has_the_table_and_a_chart_with_its_numbers(task):
    made = study(task=task)
    parts = Parts(made._repr_html_())
    assert {"helps", "hurts", "gradient boosting"} <= set(parts.cells)
    specs = json.loads(parts.scripts["bridle-specs"])
    assert [spec["key"] for spec in specs][:2] == ["difference", "curve-train-loss"]
    assert len(parts.scripts["bridle-library"]) > 1_000_000
    assert parts.loaded == parts.ids == []


def test_html_of_one_recipe_has_its_scores_in_place_of_differences():
    specs = json.loads(Parts(study(recipes=(BASELINE,), seeds=1)._repr_html_()).scripts["bridle-specs"])
    assert specs[0]["key"] == "score-valid-log_loss"


def test_html_of_a_run_has_scores_layers_and_curves():
    run = study().contenders[4].runs[0]
    run.best_epoch, run.stopped_at = 12, 17
    html = run._repr_html_()
    parts = Parts(html)
    assert "stopped early after epoch 17; the weights of epoch 12 were kept." in html
    assert {"Log-loss", "Calibration error", "linear1", "linear2", "output"} <= set(parts.cells)
    assert f"{100 * run.scores['valid']['accuracy']:.2f} %" in parts.cells
    specs = json.loads(parts.scripts["bridle-specs"])
    assert [spec["key"] for spec in specs] == ["run-loss", "run-accuracy"]
    assert [trace["y"] for trace in specs[0]["data"]] == [run.curves["train_loss"], run.curves["valid_loss"]]
    assert [line["x0"] for line in specs[0]["layout"]["shapes"]] == [12]


def test_a_run_that_diverged_at_once_is_shown_without_charts():
    run = study(diverged=[(0, 0)]).contenders[0].runs[0]
    for name in run.curves:
        run.curves[name] = [float("nan")] * 20
    html = run._repr_html_()
    assert "diverged in epoch 3" in html
    assert json.loads(Parts(html).scripts["bridle-specs"]) == []


def test_a_run_of_one_epoch_and_one_without_curves_are_shown():
    run = study(epochs=1).contenders[0].runs[0]
    assert json.loads(Parts(run._repr_html_()).scripts["bridle-specs"])[0]["data"][0]["mode"] == "lines+markers"
    run.curves.clear()
    run.layers.clear()
    assert "0 epochs" in run._repr_html_()


def test_names_cannot_break_out_of_the_html():
    made = study(recipes=(BASELINE, HOSTILE), data={**study().data, "name": HOSTILE})
    for html in (made._repr_html_(), made.contenders[1].runs[0]._repr_html_()):
        assert "alert(1)</script>" not in html
        assert "<b>x</b>" not in html
        assert len(re.findall("<script", html)) == 3


CELLS = ("from studies import study\nmade = study(seeds=2)", "made", "made.contenders[0].runs[0]", "print(made)")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # what Jupyter's own packages warn of is theirs
def test_a_notebook_shows_results_by_themselves_and_prints_a_study_as_text(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    _, shown, run, printed = (cell.outputs for cell in notebook.cells)
    made = study(seeds=2)
    assert shown[0].data["text/html"] == made._repr_html_()
    assert shown[0].data["text/plain"] == repr(made)
    assert "bridle-specs" in run[0].data["text/html"]
    assert [each.output_type for each in printed] == ["stream"]
    assert printed[0].text == f"{made}\n"
