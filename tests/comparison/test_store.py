"""Finished runs on disk."""

import json
import math

import pytest
from made_up import SETTING, VARIANT, run_of

from bridle import Dropout, Recipe
from bridle.comparison.store import Store
from bridle.protocol import Variant


def test_a_run_is_read_back_as_it_was_written(tmp_path):
    store, run = Store(tmp_path, SETTING), run_of(VARIANT)
    store.write(run, VARIANT)
    found = store.read(VARIANT)
    assert math.isnan(found.scores["valid"].pop("loss")) and math.isnan(run.scores["valid"].pop("loss"))
    assert found == run


@pytest.mark.parametrize(
    "other", [{"data": "abd"}, {"network": "mlp(9)"}, {"protocol": {"lr": 0.2}}, {"engine": "vanilla"}]
)
def test_a_run_of_another_setting_is_not_found(tmp_path, other):
    Store(tmp_path, SETTING).write(run_of(VARIANT), VARIANT)
    assert Store(tmp_path, SETTING | other).read(VARIANT) is None
    assert Store(tmp_path, SETTING).read(VARIANT) is not None


def test_a_run_of_another_recipe_seed_or_version_is_not_found(tmp_path, monkeypatch):
    store = Store(tmp_path, SETTING)
    store.write(run_of(VARIANT), VARIANT)
    assert store.read(Variant(VARIANT.recipe, 4)) is None
    assert store.read(Variant(Recipe.of(Dropout(rate=0.3)), 3)) is None
    monkeypatch.setattr("bridle.comparison.store.__version__", "9.9")
    assert store.read(VARIANT) is None


def test_without_a_folder_nothing_is_written_or_found():
    store = Store(None, SETTING)
    store.write(run_of(VARIANT), VARIANT)
    assert store.read(VARIANT) is None


def test_a_file_says_in_plain_words_what_run_it_is(tmp_path):
    Store(tmp_path, SETTING).write(run_of(VARIANT), VARIANT)
    (file,) = (tmp_path / "runs").iterdir()
    key = json.loads(file.read_text())["key"]
    assert key == {**SETTING, "recipe": "Dropout(rate=0.2)", "seed": 3, "format": 1, "bridle": key["bridle"]}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": {}}', '{"run": null}', "\ufffe"])
def test_a_damaged_file_counts_as_missing_and_is_written_anew(tmp_path, text):
    store = Store(tmp_path, SETTING)
    store.write(run_of(VARIANT), VARIANT)
    (file,) = (tmp_path / "runs").iterdir()
    file.write_text(text, encoding="utf-16")
    with pytest.warns(UserWarning, match=f"{file.name} is not used: it is no"):
        assert store.read(VARIANT) is None
    store.write(run_of(VARIANT), VARIANT)
    assert store.read(VARIANT) is not None
