"""The page on notebooks, frames and trackers: its code runs, in a folder that has a study."""

import re

import pytest
from studies import study

from needed import library
from repository import ROOT

PAGE = (ROOT / "docs/notebooks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.slow  # MLflow's database takes seconds to make
@pytest.mark.filterwarnings("default")  # what MLflow's own packages warn of is theirs
def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    library("tensorboard")
    library("mlflow")
    monkeypatch.chdir(tmp_path)
    study(trials=4, epochs=3).save("bridle-study/study.json")
    names: dict[str, object] = {}
    assert len(BLOCKS) == 4
    for block in BLOCKS:
        exec(compile(block, "docs/notebooks.md", "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {
        "bridle-study",
        "differences.html",
        "events",
        "mlflow.db",
        "mlruns",
    }


def test_the_page_names_every_chart_and_every_frame():
    from bridle.report.plotting import RunPlots, StudyPlots

    for owner, methods in (("study", vars(StudyPlots)), ("run", vars(RunPlots))):
        charts = [name for name, each in methods.items() if callable(each) and not name.startswith("_")]
        assert all(f"{owner}.plot.{name}(" in PAGE for name in charts)
