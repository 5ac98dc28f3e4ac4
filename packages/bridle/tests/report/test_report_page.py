import json
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from studies import BASELINE, DROPOUT, SIX, study

from bridle.report import write_html
from bridle.report.page import facts, page, recipes
from bridle.report.rows import Report
from bridle.results import Study

HOSTILE = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)>"


def without_library(text):
    """The page as its author wrote it: the packed plotly is left out."""
    return re.sub(r'(<script type="text/plain" id="library">)[^<]*', r"\1", text)


def specs_of(text):
    found = re.search(r'<script type="application/json" id="specs">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def command_of_the_last(made):
    _, command = recipes(Report.of(made))[-1]
    return command


def test_the_page_is_one_file_that_asks_for_no_other(tmp_path):
    write_html(study(), tmp_path / "report.html")
    text = without_library((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", text)
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


def test_each_recipe_is_there_as_the_command_that_compares_it():
    made = study(recipes=(*SIX, "Dropout(rate=0.2, at='input')"))
    assert command_of_the_last(made) == "bridle compare --recipe \"Dropout(rate=0.2, at='input')\" --epochs 20"
    assert "bridle compare --recipe &#34;Dropout(rate=0.2, at=&#39;input&#39;)&#34; --epochs 20" in page(made)


def test_where_no_command_can_compare_a_recipe_it_is_there_itself():
    made = study(data={**study().data, "name": "arrays"})
    assert command_of_the_last(made) == made.contenders[-1].name


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
    text = page(study())
    drawn = len(specs_of(text))
    assert len(re.findall(r'class="chart"[^>]*role="img" aria-label="[^"]{30,}"', text)) == drawn
    assert text.count("<details>") == drawn


@pytest.mark.parametrize(
    "made",
    [
        study(seeds=1, epochs=1),
        study(recipes=(BASELINE,), epochs=1),
        study(task="regression", seeds=2),
        study(
            recipes=(BASELINE, DROPOUT), diverged=[(0, seed) for seed in range(5)] + [(1, seed) for seed in range(5)]
        ),
    ],
    ids=["one seed", "one contender", "regression", "everything diverged"],
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
    assert "Test accuracy" not in text and "On the test rows" not in text
    assert "those of the validation rows" in text


def test_a_report_needs_neither_torch_nor_numpy():
    code = "import sys, bridle.report; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
