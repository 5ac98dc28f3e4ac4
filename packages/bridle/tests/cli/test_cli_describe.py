"""What is made of the columns of a table, as `describe` shows it and `compare` says it."""

import json

from command_line import TINY, run

from bridle import Splits, Study

DESCRIBED = "id,size,colour,flat,answer\n" + "".join(
    f"{k + 100},{'n/a' if k == 4 else k / 10},{('red', 'blue')[k % 2]},1,{'yes' if k % 3 else 'no'}\n"
    for k in range(60)
)


def test_describe_shows_what_is_made_of_each_column(tmp_path):
    (tmp_path / "t.csv").write_text(DESCRIBED)
    result = run("describe", tmp_path / "t.csv", "--target", "answer")
    assert result.exit_code == 0
    shown = [line.split() for line in result.stdout.splitlines()]
    kinds = {line[0]: line[1] for line in shown if len(line) > 1}
    assert kinds | {"id": "dropped", "size": "number", "colour": "category", "flat": "dropped"} == kinds
    assert "of 4 columns (2 dropped, 1 number, 1 category)" in result.stdout
    assert "note: column flat is left out: constant in the training rows" in result.stdout
    assert "note: column size: 'n/a' in 1 row, no number, taken for missing" in result.stdout


def test_a_wide_table_without_a_target_names_the_ends_of_its_header(tmp_path):
    (tmp_path / "t.csv").write_text(",".join(f"c{k}" for k in range(280)) + "\n" + ",".join("1" * 280) + "\n")
    ends = "c0, c1, c2, c3, c4 ... c275, c276, c277, c278, c279 (280 in all)"
    assert f"it has {ends}" in run("describe", tmp_path / "t.csv").stderr
    assert "(280 in all)" in run("describe", tmp_path / "t.csv", "--target", "zzz").stderr


def test_describe_in_json_has_columns_and_notes(tmp_path):
    (tmp_path / "t.csv").write_text(DESCRIBED)
    told = json.loads(run("describe", tmp_path / "t.csv", "--target", "answer", "--json").stdout)
    assert [column["name"] for column in told["columns"]] == ["id", "size", "colour", "flat"]
    assert "column flat is left out: constant in the training rows" in told["notes"]
    assert json.loads(run("describe", "digits", "--json").stdout)["columns"] == []


def test_describe_says_what_is_wrong_in_a_sentence(tmp_path):
    (tmp_path / "t.csv").write_text(DESCRIBED)
    wrong = run("describe", tmp_path / "t.csv", "--target", "anwser")
    assert wrong.exit_code == 2 and "did you mean answer?" in wrong.stderr and wrong.stdout == ""
    assert "no column 'siz'" in run("describe", tmp_path / "t.csv", "--target", "answer", "--categorical", "siz").stderr


def test_describe_shows_the_split_that_the_options_ask_for(tmp_path):
    lines = [f"{row // 5},2021-01-{1 + row // 2:02d},{'train' if row < 40 else 'dev'},{1 + row},{row / 7},{row % 2}\n"
             for row in range(60)]  # fmt: skip
    (tmp_path / "t.csv").write_text("who,day,side,weight,size,y\n" + "".join(lines))
    table = (tmp_path / "t.csv", "--target", "y")
    told = json.loads(
        run("describe", *table, "--split", "kfold", "--folds", "4", "--split-seed", "3", "--groups", "who",
            "--weights", "weight", "--json").stdout
    )  # fmt: skip
    asked = {"kind": "kfold", "seed": 3, "folds": 4, "groups": "who", "weighted": True, "varies": True}
    assert asked.items() <= told["splits"].items()
    assert told["splits"]["group_counts"] == {"train": 6, "valid": 3, "test": 3}
    assert told["source"]["splits"] == Splits("kfold", seed=3, folds=4, groups="who").to_json()
    assert told["source"]["weights"] == "weight"
    shown = run("describe", *table, "--time", "day").stdout
    assert "note: times by 'day': train 2021-01-01 to 2021-01-18, valid 2021-01-19 to 2021-01-24, test" in shown
    assert "rows: 40 train, 20 valid" in run("describe", *table, "--split-column", "side").stdout
    wrong = run("describe", *table, "--split", "kfold", "--split-column", "side")
    assert wrong.exit_code == 2 and "the split of column 'side' is one split" in wrong.stderr and wrong.stdout == ""


def test_compare_says_on_stderr_what_is_left_out_and_the_page_shows_the_columns(tmp_path):
    (tmp_path / "t.csv").write_text(DESCRIBED)
    out = tmp_path / "study"
    result = run(*TINY[:1], tmp_path / "t.csv", *TINY[1:], "--target", "answer", "--categorical", "size", "--out", out)
    assert result.exit_code == 0
    note = "note: column flat is left out: constant in the training rows"
    assert result.stderr.count(note) == 1 and "column flat" not in result.stdout  # a reader sees it once
    assert note.removeprefix("note: ") in Study.load(out).notices
    columns = {column["name"]: column["kind"] for column in Study.load(out).data["columns"]}
    assert columns == {"id": "dropped", "size": "category", "colour": "category", "flat": "dropped"}
    page = (out / "report.html").read_text()
    assert "4 columns: what was made of each" in page and "an id by its name" in page
