"""What cannot be compared is said in a sentence, before anything is trained or written."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_comparisons import SHORT, line, press_ctrl_c, small
from torch import nn

from bridle import Data, Protocol
from bridle.comparison.trainer import ENGINES
from bridle.errors import InputError

UNTRAINABLE: dict[str, dict[str, Any]] = {
    "for images": {"recipes": ["ImageShift()"], "protocol": Protocol(epochs=2)},
    "for images, vanilla": {"recipes": ["ImageShift()"], "protocol": Protocol(epochs=2), "engine": "vanilla"},
    "no residual branch": {"recipes": ["StochasticDepth()"], "protocol": Protocol(epochs=2)},
    "no residual branch, tuned": {"recipes": ["StochasticDepth()"], "tuned": 2},
    "more trials than memory": {"tuned": 10**9},
    "class weights for numbers": {
        "data": Data([[0.0], [1.0]] * 20, [0.5, 1.5] * 20, [[0.0], [1.0]] * 9, [0.5, 1.5] * 9),
        "protocol": Protocol(class_weight="balanced"),
    },
}


@pytest.mark.parametrize("name", UNTRAINABLE)
def test_what_cannot_be_trained_is_told_before_anything_is(tmp_path, monkeypatch, name):
    for engine in ENGINES:
        monkeypatch.setitem(ENGINES, engine, press_ctrl_c)
    with pytest.raises(InputError):
        small(out=tmp_path / "study", **UNTRAINABLE[name])
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("tuned", [None, 2])
@pytest.mark.parametrize(
    ("recipe", "words"),
    [("LabelSmoothing(strength=0.1)", "is for classes"), ("L2(strength=0.1, on='nothing*')", "selects none")],
)
def test_a_recipe_that_cannot_be_trained_is_refused_before_the_baseline_is(engine, tuned, recipe, words, tmp_path):
    steps: list[int] = []
    settings = {"protocol": replace(SHORT, lr=None), "progress": lambda done, _: steps.append(done)}
    with pytest.raises(ValueError, match=words):
        small(data=line(), recipes=[recipe], engine=engine, tuned=tuned, out=tmp_path / "out", **settings)
    assert not steps and not (tmp_path / "out").exists()


def test_a_split_that_leaves_nothing_to_learn_is_refused_before_the_others_are_trained_on(tmp_path):
    rows = np.random.default_rng(0).normal(size=(160, 3))
    rare = Data.from_arrays(rows, np.arange(160) < 2, splits="kfold")  # in one of five both rows are held out
    steps: list[int] = []
    with pytest.raises(ValueError, match="repeat 3 of the split: the 96 training rows of this split are all of one"):
        small(data=rare, seeds=5, out=tmp_path / "out", progress=lambda done, _: steps.append(done))
    assert not steps and not (tmp_path / "out").exists()


@pytest.mark.parametrize("margin", [-0.1, math.nan, "0.1", 10**400])
def test_a_margin_that_is_no_size_is_refused_at_once(margin):
    with pytest.raises(ValueError, match="margin must be the size"):
        small(data="no such file", margin=margin)


def test_an_empty_name_is_no_metric():
    with pytest.raises(ValueError, match="there is no metric ''"):
        small(metric="")


def test_what_tuning_may_make_the_same_is_refused_before_anything_is_trained(tmp_path):
    recipes = ["Dropout(rate=0.2)", "Dropout(rate=0.5)"]
    with pytest.raises(ValueError, match=r"'Dropout\(rate=0.2\)' and 'Dropout\(rate=0.5\)' differ only in strengths"):
        small(recipes=recipes, tuned=4, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"recipes": ["Dropout", "Dropout(rate=0.5)"]}, "'Dropout(rate=0.5)' is asked for twice"),
        ({"recipes": [None, "none"]}, "'none' is asked for twice"),
        ({"recipes": 3}, "recipes must be a list of recipes, got int"),
        ({"recipes": {"L2()": 1}}, "recipes must be a list of recipes, got dict"),
        ({"out": 3}, "out must be the path of a folder for the results, or None, got 3"),
        ({"progress": "bar"}, "progress must be a function of (steps done, steps in all), got 'bar'"),
        ({"recipes": "Dropout"}, "recipes must be a list of recipes, got 'Dropout'; write ['Dropout']"),
        ({"recipes": ["Dropuot"]}, "unknown regularizer 'Dropuot'; did you mean Dropout?"),
        ({"seeds": 0}, "seeds must be how many (1 or more)"),
        ({"seeds": []}, "seeds must be how many"),
        ({"seeds": 2**63}, "seeds must be how many"),
        ({"seeds": range(2**63)}, "seeds must be how many"),
        ({"seeds": [1, 1]}, "different whole numbers from 0, got [1, 1]"),
        ({"seeds": [-1]}, "seeds must be how many"),
        ({"seeds": [0.5]}, "seeds must be how many"),
        ({"seeds": 2.0}, "seeds must be how many"),
        ({"seeds": True}, "seeds must be how many"),
        ({"seeds": "5"}, "seeds must be how many"),
        ({"engine": "jax"}, "engine must be one of torch, vanilla, got 'jax'"),
        ({"network": nn.Linear(2, 2)}, "got a Linear that is made already"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_sentence(change, sentence):
    with pytest.raises(ValueError) as refused:
        small(**change)
    assert sentence in str(refused.value)


def test_a_folder_that_cannot_be_made_is_refused_before_the_training(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setitem(ENGINES, "torch", None)
    with pytest.raises(OSError, match="is a file; give --out another name"):
        small(out=tmp_path / "file")
    with pytest.raises(
        OSError, match=r"nothing can be written into .*\(File name too long\); give --out another folder"
    ):
        small(out=tmp_path / ("x" * 300))
