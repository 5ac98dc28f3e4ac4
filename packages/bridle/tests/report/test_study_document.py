import dataclasses
import json
import re

import pytest
from studies import study

from bridle.results import (
    VERSION,
    Contender,
    LayerSummary,
    Reference,
    Run,
    Study,
    Summary,
    TrainingLength,
    Trial,
    Versus,
)
from repository import ROOT

DOCUMENT = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
(SHOWN,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
EXAMPLE = json.loads(SHOWN)
KINDS = [Study, Contender, Versus, Reference, Trial, Run, TrainingLength, LayerSummary, Summary]


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_documented(kind):
    names = {field.name for field in dataclasses.fields(kind)} - {"model"}
    assert {name for name in names if f"`{name}`" not in DOCUMENT} == set()


def test_the_example_is_a_study_of_the_version_that_this_bridle_writes():
    assert EXAMPLE["version"] == VERSION
    assert f"format **version {VERSION}**" in DOCUMENT
    assert Study.from_json(EXAMPLE).to_json() == EXAMPLE


def test_the_example_has_the_keys_of_a_real_study_in_their_order():
    written = study(recipes=("none", "Dropout(rate=0.2)"), trials=2, lengths=(0.1, 0.0)).to_json()
    assert list(EXAMPLE) == list(written)
    example, real = EXAMPLE["contenders"][0], written["contenders"][1]
    assert list(example) == list(real)
    assert list(example["versus_baseline"]) == list(real["versus_baseline"])
    assert list(example["runs"][0]) == list(real["runs"][0])
    assert list(example["runs"][0]["lengths"][0]) == list(real["runs"][0]["lengths"][0])
    assert list(example["trials"][0]) == list(real["trials"][0])
    assert list(EXAMPLE["references"][0]) == list(written["references"][0])
    assert list(example["runs"][0]["layers"][0]) == list(real["runs"][0]["layers"][0])
