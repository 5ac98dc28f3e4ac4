"""Correct set-ups of timm, transformers and torch: the audit finds no error and no warning in any of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from real_models import TIMM, TRANSFORMERS, Training, by_the_book, of_timm, of_torch, of_torchvision, of_transformers

from bridle_audit.run.models import audit
from repository import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def check(training: Training) -> None:
    found = audit(training.model, training.optimizer, training.loss, training.batch, steps=10_000)
    assert [str(each) for each in found.at_least("warning")] == []


@pytest.mark.parametrize("name", TIMM)
def test_models_of_timm_on_their_groups(timm: Any, name: str) -> None:
    check(of_timm(timm, name))


@pytest.mark.parametrize("recipe", [of_torchvision, by_the_book])
def test_resnets_as_they_are_trained(timm: Any, recipe: Any) -> None:
    check(recipe(timm, "resnet18"))


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_models_of_transformers_on_the_groups_of_their_trainer(transformers: Any, name: str) -> None:
    check(of_transformers(transformers, name))


@pytest.mark.parametrize("name", list(of_torch()))
def test_set_ups_of_torchs_own_layers(name: str) -> None:
    torch.manual_seed(0)
    check(of_torch()[name]())


def test_the_docs_list_what_is_run() -> None:
    page = (ROOT / "docs" / "audit" / "trust.md").read_text(encoding="utf-8")
    words = " ".join(page.split())
    assert [name for name in (*TIMM, *TRANSFORMERS) if f"`{name}`" not in words] == []
    assert [name for name in of_torch() if name not in words] == []
