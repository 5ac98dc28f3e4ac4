"""Studies: saved whole, read back the same, and a sentence for whatever is not one."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from bridle.results import VERSION, Contender, LayerSummary, Run, Study, Summary, Versus

NAN = math.nan


def run(seed, *, diverged_at=None):
    """A run of two layers; a diverged one has numbers that are none."""
    loss = 0.25 if diverged_at is None else NAN
    histogram = {"edges": [-1.0, 0.0, 1.0], "counts": [3.0, 5.0]}
    layers = [
        LayerSummary("linear1", 4, 1, 2.5 if diverged_at is None else NAN, histogram, [1.0, loss]),
        LayerSummary("output", 2, 0, 1.5, histogram),
    ]
    scores = {split: {"accuracy": 0.5 + seed / 10, "loss": loss} for split in ("train", "valid", "test")}
    curves = {"epoch": [1.0, 2.0], "step_loss": [0.7, loss], "valid_loss": [0.8, loss]}
    return Run("L2(strength=0.1)", seed, scores, curves, layers, 1.5, diverged_at, model=object())


def contender(*, versus=None, diverged_at=None):
    runs = [run(0), run(1, diverged_at=diverged_at)]
    scores = {
        split: {metric: Summary.of([each.scores[split][metric] for each in runs]) for metric in ("accuracy", "loss")}
        for split in ("train", "valid", "test")
    }
    gap = NAN if diverged_at else 0.01
    recipe = [{"name": "L2", "strength": 0.1, "on": "matrices"}]
    return Contender(recipe, "L2(strength=0.1)", scores, gap, 1.0, 1.5, versus, runs)


def study(**changes):
    words = "helps: + 1.0 points (0.5 to 1.5), more than chance; ± − ×"
    versus = Versus("accuracy", "valid", 0.01, NAN, NAN, "helps", words, 0.004, [0.01, NAN])
    made = Study(
        data={"name": "digits", "target": None, "task": "classification", "classes": ["0", "1"]},
        network="mlp(4)",
        protocol={"optimizer": "adam", "lr": 0.002},
        seeds=[0, 1],
        contenders=[contender(), contender(versus=versus, diverged_at=3)],
        metric="accuracy",
        engine="torch",
        made={"bridle": "0.1.0", "date": "2026-01-01", "seconds": 3.0, "gpu": None},
        notices=["one run diverged"],
    )
    return replace(made, **changes)


def test_a_study_reads_back_as_it_was_saved(tmp_path):
    # Compared by their text, since nan is not equal to itself; the models are not saved.
    before = study()
    before.save(tmp_path / "study.json")
    after = Study.load(tmp_path / "study.json")
    without_models = [replace(each, runs=[replace(r, model=None) for r in each.runs]) for each in before.contenders]
    assert repr(after) == repr(replace(before, contenders=without_models))
    assert repr(after.to_json()) == repr(before.to_json())


def test_numbers_that_are_none_come_back_as_nan_and_what_is_absent_as_none(tmp_path):
    study().save(tmp_path / "study.json")
    baseline, other = Study.load(tmp_path).contenders
    diverged = other.runs[1]
    assert math.isnan(diverged.scores["test"]["loss"])
    assert math.isnan(diverged.curves["valid_loss"][1])
    assert math.isnan(diverged.layers[0].weight_norm)
    gammas, versus = diverged.layers[0].gammas, other.versus_baseline
    assert gammas is not None and versus is not None
    assert math.isnan(gammas[1])
    assert math.isnan(other.gap)
    assert math.isnan(versus.low)
    assert math.isnan(versus.values[1])
    assert math.isnan(other.scores["test"]["loss"].mean)
    assert diverged.diverged_at == 3
    assert diverged.layers[1].gammas is None
    assert baseline.runs[0].diverged_at is None
    assert baseline.versus_baseline is None
    assert diverged.model is None


def test_the_file_is_strict_json_with_the_version_first(tmp_path):
    study().save(tmp_path / "study.json")
    text = (tmp_path / "study.json").read_text(encoding="utf-8")

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    data = json.loads(text, parse_constant=refuse)
    assert next(iter(data)) == "version"
    assert data["version"] == VERSION
    assert "± − ×" in text
    assert {"data", "network", "protocol", "seeds", "contenders"} <= set(data)
    entry = data["contenders"][1]
    assert {"recipe", "name", "scores", "gap", "dead_units", "seconds", "versus_baseline"} <= set(entry)
    assert {"mean", "sd", "values"} == set(entry["scores"]["valid"]["accuracy"])
    assert {"difference", "low", "high", "verdict"} <= set(entry["versus_baseline"])


def test_a_study_is_found_in_its_folder_and_the_folder_is_made(tmp_path):
    study().save(tmp_path / "new" / "folder" / "study.json")
    assert Study.load(tmp_path / "new" / "folder").network == "mlp(4)"


def test_a_path_may_be_text(tmp_path):
    study().save(f"{tmp_path}/study.json")
    assert Study.load(str(tmp_path)).network == Study.load(f"{tmp_path}/study.json").network == "mlp(4)"


def test_saving_leaves_one_file_and_replaces_the_old_one(tmp_path):
    study().save(tmp_path / "study.json")
    study(network="linear()").save(tmp_path / "study.json")
    assert [each.name for each in tmp_path.iterdir()] == ["study.json"]
    assert Study.load(tmp_path).network == "linear()"


def test_a_save_that_fails_leaves_the_old_study_whole(tmp_path, monkeypatch):
    study().save(tmp_path / "study.json")
    before = (tmp_path / "study.json").read_bytes()

    def full_disk(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        study(network="linear()").save(tmp_path / "study.json")
    assert (tmp_path / "study.json").read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["study.json"]


def test_what_cannot_be_written_as_json_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError):
        study(made={"bridle": object()}).save(tmp_path / "study.json")
    assert list(tmp_path.iterdir()) == []


def test_another_version_is_refused_and_named(tmp_path):
    data = {**study().to_json(), "version": 99}
    (tmp_path / "study.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match=f"format version 99, this bridle reads 1 to {VERSION}; open it"):
        Study.load(tmp_path)


def test_keys_that_a_later_bridle_has_added_are_passed_over(tmp_path):
    data = json.loads(json.dumps(study().to_json()))
    for place in (data, data["contenders"][0], data["contenders"][0]["runs"][0]["layers"][0]):
        place["added_later"] = 1
    (tmp_path / "study.json").write_text(json.dumps(data))
    assert Study.load(tmp_path).to_json() == study().to_json()


def test_a_missing_study_says_which_command_makes_one(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "nowhere.json"):
        folder = path.parent if path.suffix else path
        with pytest.raises(ValueError, match=f"no study at {path}; `bridle compare --out {folder}` writes one"):
            Study.load(path)


def test_one_that_is_missing_or_broken_where_a_comparison_was_begun_says_how_it_is_finished(tmp_path):
    (tmp_path / "asked.json").write_bytes(b"{}")
    goes_on = f"`bridle resume {tmp_path}` makes it from the runs that are there"
    for path in (tmp_path, tmp_path / "study.json"):
        with pytest.raises(ValueError, match=f"there is no study at {path}; {goes_on}"):
            Study.load(path)
    (tmp_path / "study.json").write_bytes(NOT_STUDIES["cut off"])
    with pytest.raises(ValueError, match=rf"is not a study .*\); {goes_on}"):
        Study.load(tmp_path)


NOT_STUDIES = {
    "empty": b"",
    "text": b"hello",
    "number": b"3",
    "null": b"null",
    "list": b"[1, 2]",
    "other object": b'{"a": 1}',
    "only a version": b'{"version": 1}',
    "contenders of another kind": b'{"version": 1, "contenders": [3]}',
    "cut off": json.dumps(study().to_json()).encode()[:-30],
    "a missing key": json.dumps({k: v for k, v in study().to_json().items() if k != "seeds"}).encode(),
    "not utf-8": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("name", NOT_STUDIES)
def test_a_file_that_is_no_study_says_so(name, tmp_path):
    (tmp_path / "study.json").write_bytes(NOT_STUDIES[name])
    with pytest.raises(ValueError, match=r"study.json is not a study written by `bridle compare` \(\w+"):
        Study.load(tmp_path)


@pytest.mark.parametrize("make", ["folder", "link to nowhere", "pipe", "large"])
def test_what_is_no_file_of_a_bearable_size_is_not_read(make, tmp_path):
    path = tmp_path / "study.json"
    if make == "folder":
        path.mkdir()
    elif make == "link to nowhere":
        path.symlink_to(tmp_path / "nowhere")
    elif make == "pipe":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.truncate(2**40)
    with pytest.raises(ValueError, match=r"study.json is not a study written by `bridle compare` \("):
        Study.load(tmp_path)


# Where in a study what stands, and what the sentence says of it.
CHANGED = {
    "no contenders": (("contenders",), [], "contenders: there are none"),
    "a metric nobody knows": (("metric",), "luck", r"contenders\[0\].scores.train has no luck"),
    "text for a number": (("contenders", 0, "gap"), "small", r'contenders\[0\].gap must be a number, got "small"'),
    "a number for text": (("network",), 3, "network must be text, got 3"),
    "true for a number": (("seeds", 0), True, r"seeds\[0\] must be a whole number, got true"),
    "a fraction for a seed": (("contenders", 0, "runs", 0, "seed"), 0.5, "seed must be a whole number, got 0.5"),
    "null for a list": (("contenders", 1, "runs"), None, r"contenders\[1\].runs must be a list, got null"),
    "a list for an object": (("contenders", 1, "scores"), [], r"contenders\[1\].scores must be an object, got a list"),
    "scores of no metric": (("contenders", 0, "scores", "valid"), {}, r"contenders\[0\].scores.valid has no accuracy"),
    "scores of another split": (("contenders", 1, "runs", 0, "scores", "test"), {}, "of other splits or metrics"),
    "a huge number": (("contenders", 0, "seconds"), 10**400, "seconds is out of the range of numbers"),
    "a long curve": (("contenders", 0, "runs", 0, "curves", "epoch"), [1, 2, 3], "curves are of different lengths"),
    "half a histogram": (("contenders", 0, "runs", 0, "layers", 0, "weights", "edges"), [1], "one edge more"),
    "nested": (("made", "more"), [[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]], "made.more is nested too deep"),
    "version as text": (("version",), "1", 'format version "1"'),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_study_that_somebody_changed_says_where(name, tmp_path):
    data = json.loads(json.dumps(study().to_json()))
    (*path, last), value, said = CHANGED[name]
    place = data
    for key in path:
        place = place[key]
    place[last] = value
    (tmp_path / "study.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match=said):
        Study.load(tmp_path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_refused(number, tmp_path):
    text = json.dumps(study().to_json()).replace('"gap": 0.01', f'"gap": {number}')
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(ValueError, match=r"study.json is not a study .* number"):
        Study.load(tmp_path)


def test_a_run_reads_back_without_its_model():
    before = run(1)
    after = Run.from_json(json.loads(json.dumps(before.to_json())))
    assert after == before  # the model does not count
    assert after.model is None
    assert before.dead_units == after.dead_units == 1


def test_a_contender_counts_the_runs_that_diverged():
    assert [each.diverged for each in study().contenders] == [0, 1]


def test_the_baseline_is_the_first_contender():
    made = study()
    assert made.baseline is made.contenders[0]


def test_a_summary_is_the_mean_and_the_sample_deviation():
    made = Summary.of([1.0, 2.0, 3.0, 4.0])
    assert (made.mean, made.values) == (2.5, [1.0, 2.0, 3.0, 4.0])
    assert made.sd == pytest.approx(math.sqrt(5 / 3))
    assert Summary.of([0.7]) == Summary(0.7, 0.0, [0.7])
    assert Summary.of([0.1] * 10).sd == 0
    assert Summary.of([0.1] * 10).mean == 0.1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_summary_with_a_diverged_run_is_nan(bad):
    made = Summary.of([0.5, bad])
    assert math.isnan(made.mean)
    assert math.isnan(made.sd)


def test_a_summary_of_runs_about_to_diverge_does_not_break():
    made = Summary.of([1e308, 1e308, 1e308])
    assert made.mean == pytest.approx(1e308)
    assert made.sd == 0
    assert Summary.of([1e200, -1e200]).sd == pytest.approx(math.sqrt(2) * 1e200)


def test_results_are_read_without_torch_or_numpy():
    code = "import sys, bridle.results; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
