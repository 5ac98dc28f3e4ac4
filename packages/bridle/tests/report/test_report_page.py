import ast
import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from studies import BASELINE, DROPOUT, SIX, study

from bridle.protocol import Protocol
from bridle.report import write_html
from bridle.report.command import command
from bridle.report.page import SECTIONS, facts, page
from bridle.report.rows import Report
from bridle.report.tables import comparison_rows, norm_tables, score_tables
from bridle.report.using import snippets
from bridle.results import Study

HOSTILE = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)>"


def without_library(text):
    """The page as its author wrote it: the packed plotly is left out."""
    return re.sub(r'(<script type="text/plain" id="library">)[^<]*', r"\1", text)


def specs_of(text):
    found = re.search(r'<script type="application/json" id="specs">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def snippet(made, title):
    return next((each.code for each in snippets(Report.of(made)) if each.title.startswith(title)), "")


def test_the_page_is_one_file_that_asks_for_no_other(tmp_path):
    write_html(study(), tmp_path / "report.html")
    text = without_library((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "url(" not in text and "@import" not in text and "http" not in text


def test_the_page_stays_below_two_and_a_half_megabytes():
    assert len(page(study()).encode()) < 2_500_000


def test_the_same_study_gives_the_same_page():
    assert page(study()) == page(study())


def test_a_study_read_back_gives_the_same_page(tmp_path):
    made = study(diverged=[(3, 0)])
    made.save(tmp_path / "study.json")
    assert page(Study.load(tmp_path)) == page(made)


def test_html_in_names_and_notices_stays_text():
    made = study(recipes=(BASELINE, HOSTILE), notices=[HOSTILE], network=HOSTILE)
    made.data["name"] = HOSTILE
    text = without_library(page(made))
    assert "<script>document" not in text and "<img" not in text
    assert text.count("</script>") == 3
    assert specs_of(text)


def test_numbers_that_are_not_finite_reach_the_charts_as_null():
    made = study(diverged=[(3, 0), (4, 0), (4, 1), (4, 2), (4, 3), (4, 4)])
    text = without_library(page(made))
    assert "NaN" not in text and "Infinity" not in text and ">nan" not in text
    assert specs_of(text)


@pytest.mark.parametrize("change", [{"diverged": [(3, 0)]}, {"finished": False, "notices": ["Interrupted."]}])
def test_what_went_wrong_stands_on_the_page(change):
    text = page(study(**change))
    assert ("5, 1 diverged" in text) == ("diverged" in change)
    assert ("This study is not finished" in text) == ("finished" in change)


def test_the_winner_can_be_attached_trained_written_as_pytorch_and_compared_again():
    made = study(recipes=(*SIX[:4], "Dropout(rate=0.2, at='input')"), effects=(0.0, 0.0, 0.0, 0.0, 0.05))
    winner = "Dropout(rate=0.2, at='input')"
    for title in ("In a training loop", "Train it"):
        assert f'recipe = "{winner}"\n' in snippet(made, title)
    assert "bridle.attach(model, optimizer, recipe)" in snippet(made, "In a training loop")
    assert "data = bridle.load('digits')" in snippet(made, "Train it")
    assert "bridle.train(data, recipe, 'mlp(128, 64)', protocol)" in snippet(made, "Train it")
    assert snippet(made, "As plain PyTorch") == f'bridle code "{winner}" --lr 0.002 --epochs 20'
    again = shlex.split(snippet(made, "This comparison again").replace("\\\n", ""))  # as a shell joins lines
    assert again == shlex.split(command(made, [each.name for each in made.contenders[1:]]))
    assert again[:4] == ["bridle", "compare", "--recipe", "L2(strength=0.0001)"] and winner in again
    assert "bridle code &#34;Dropout(rate=0.2, at=&#39;input&#39;)&#34; --lr 0.002" in page(made)


def test_the_lines_of_the_winner_are_python_and_its_protocol_is_one():
    made = study(lengths=(0.1, 0.0))
    for run in made.contenders[3].runs:
        run.best_epoch = 7
    made.protocol |= {"optimizer": "sgd", "class_weight": "balanced", "lr": 0.05}
    code = snippet(made, "Train it")
    ast.parse(code)
    ast.parse(snippet(made, "In a training loop"))
    written = re.search(r"bridle\.(Protocol\(.*\))$", code, re.MULTILINE)
    assert written is not None
    assert eval(written[1], {"Protocol": Protocol}) == Protocol(
        "sgd", 0.05, epochs=20, restore_best=True, metric="log_loss", class_weight="balanced"
    )


def test_an_estimator_that_there_is_not_is_not_named():
    assert "Classifier(" not in page(study()) and "Estimator" not in page(study())


def test_where_no_command_can_say_it_there_is_none():
    made = study(data={**study().data, "name": "arrays"})
    assert snippet(made, "This comparison again") == ""
    assert "data = ...  # the data of the comparison" in snippet(made, "Train it")
    made = study(network="mine:factory")
    assert snippet(made, "As plain PyTorch") == ""
    assert "bridle.train(data, recipe, network, protocol)  # network: mine:factory" in snippet(made, "Train")


def test_protocol_data_seeds_versions_machine_and_date_are_there():
    told = {name: value for _, entries in facts(study()) for name, value in entries}
    assert told["rows"] == "train 1078, valid 359, test 360"
    assert told["learning rate"] == "0.002" and told["seeds"] == "0, 1, 2, 3, 4"
    assert told["machine"] == "a processor, 2 cores, Linux" and told["torch"] == "2.6.0"
    assert told["date"] == "2026-01-02 03:04 UTC" and told["took"] == "42 s"


def test_headings_go_down_one_level_at_a_time():
    levels = [int(level) for level in re.findall(r"<h([1-6])", without_library(page(study())))]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_chart_has_a_label_and_a_table():
    text = page(study(trials=4, lengths=(0.1, 0.0)))
    drawn = len(specs_of(text))
    assert len(re.findall(r'class="chart"[^>]*role="img" aria-label="[^"]{30,}"', text)) == drawn
    assert text.count("<details><summary>Numbers</summary>") == drawn > 20


def test_sections_fold_and_the_contents_name_each_of_them():
    text = without_library(page(study(trials=4, lengths=(0.1, 0.0))))
    ids = re.findall(r'<details class="section" id="(\w+)"', text)
    assert ids == [name for name, _, _ in SECTIONS] and ids[-1] == "advice"
    nav = re.search(r"<nav.*?</nav>", text, re.DOTALL)
    assert nav is not None and re.findall(r'href="#(\w+)"', nav[0]) == ids
    opened = re.findall(r'<details class="section" id="(\w+)" open>', text)
    assert opened == ["effects", "scores", "tuning", "use", "advice"]
    assert 'id="tuning"' not in without_library(page(study()))


def test_where_nothing_helps_the_page_says_how_to_use_the_baseline():
    assert ">Use the winner</h2>" in without_library(page(study()))
    assert ">Use the baseline</h2>" in without_library(page(study(effects=(0.0, -0.01))))


def test_every_link_on_the_page_leads_to_something_on_it():
    for made in (study(trials=4, lengths=(0.3, 0.0)), study(seeds=1), study(task="regression", level=0.9)):
        text = without_library(page(made))
        ids = re.findall(r'id="([^"]+)"', text)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)


def test_references_are_grey_rows_in_the_tables_and_contenders_sorted_with_their_verdicts():
    report = Report.of(study())
    table = comparison_rows(report)
    names = [row.name for row in report.rows]
    assert [row[0] for row in table.rows] == [*names, "gradient boosting", "linear model", "majority class"]
    assert [row[1] for row in table.rows][:2] == ["helps", "helps"]
    assert list(table.styles) == ["helps", "helps", "undecided", "undecided", "none", "hurts", *["reference"] * 3]
    for each in score_tables(report):
        assert [row[0] for row in each.rows][: len(names)] == names
        assert [row[0] for row in each.rows][-1] == "majority class"


def test_tables_of_many_layers_are_cut_into_blocks_that_fit():
    made = study(recipes=(BASELINE,), seeds=1)
    run = made.baseline.runs[0]
    run.layers = [replace(run.layers[0], name=f"linear{place}") for place in range(20)]
    blocks = norm_tables(Report.of(made))
    assert [len(block.head) for block in blocks] == [9, 9, 5]
    assert [name for block in blocks for name in block.head[1:]] == [f"linear{place}" for place in range(20)]
    assert all(len(row) == len(block.head) for block in blocks for row in block.rows)


def test_one_spelling_of_r2():
    text = without_library(page(study(task="regression", seeds=3)))
    said = re.sub(r"<script.*?</script>|<style.*?</style>|\s(?:id|data-key|href)=\"[^\"]*\"", "", text, flags=re.DOTALL)
    assert "R²" in said and not re.search(r"\b[rR]2\b", said.replace("metric=&#39;r2&#39;", ""))


def test_a_study_of_version_1_still_has_a_page():
    made = Study.load(Path(__file__).parent / "version1.json")
    text = without_library(page(made))
    assert "Dropout(rate=0.2) helps: validation accuracy " in text
    assert "cannot tell yet" in text and "no difference" not in text
    assert len(specs_of(text)) > 5


@pytest.mark.parametrize(
    "made",
    [
        study(seeds=1, epochs=1),
        study(recipes=(BASELINE,), epochs=1),
        study(task="regression", seeds=2),
        study(trials=2, seeds=2, references=False, metric="auroc"),
        study(rows={"train": 120, "valid": 40, "test": 40}, lengths=(0.0,), level=0.6),
        study(
            recipes=(BASELINE, DROPOUT), diverged=[(0, seed) for seed in range(5)] + [(1, seed) for seed in range(5)]
        ),
    ],
    ids=["one seed", "one contender", "regression", "by AUROC", "200 rows", "everything diverged"],
)
def test_unusual_studies_have_a_page(made):
    text = without_library(page(made))
    assert "</html>" in text and "None" not in text


def test_a_baseline_that_an_interrupt_left_without_runs_has_a_page():
    made = study(recipes=(BASELINE, DROPOUT), finished=False)
    made.contenders[0].runs = []
    made.contenders[0].scores = {
        split: {metric: type(each)(float("nan"), float("nan"), []) for metric, each in metrics.items()}
        for split, metrics in made.contenders[0].scores.items()
    }
    made.contenders[1].versus_baseline = None
    assert "0 of 5" in page(made)


def test_a_data_set_without_test_rows_has_a_page():
    made = study()
    for contender in made.contenders:
        del contender.scores["test"]
    text = without_library(page(made))
    assert "Test accuracy" not in text and "on the test rows" not in text
    assert "those of the validation rows" in text


def test_a_report_needs_neither_torch_nor_numpy():
    code = "import sys, bridle.report; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
