"""The code of a recipe as text: formatted, without bridle, run by itself, and what cannot be written."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from catalog_recipes import ENDINGS, SCHEDULED, TOGETHER, recipe_of
from code_replay import NETWORK, check_steps, functions
from torch import Tensor, nn

from bridle import CATALOG
from bridle.data import Data, load
from bridle.exporting import to_code
from bridle.knobs import knob
from bridle.metric_info import TASK_METRICS
from bridle.networks import convnet
from bridle.places import Loss
from bridle.protocol import Protocol


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code of the catalog and of the recipes that are tested together, in networks that take them."""
    folder = tmp_path_factory.mktemp("scripts")
    recipes = [*map(recipe_of, CATALOG), *TOGETHER, *SCHEDULED, *ENDINGS]
    made = [(recipe, network, Protocol(epochs=9)) for recipe in recipes for network in (NETWORK, convnet(4, 6))]
    made += [(recipe, NETWORK, Protocol()) for recipe in recipes]
    for metric in TASK_METRICS["classification"]:
        made += [("Dropout", NETWORK, Protocol(metric=metric, class_weight="balanced", epochs=n)) for n in (None, 3)]
        made.append(("EMA", NETWORK, Protocol(metric=metric, restore_best=True, epochs=3)))
    for recipe, network, protocol in made:
        with suppress(ValueError):  # a recipe may name layers that only the perceptron has
            code = to_code(recipe, network, protocol)
            (folder / f"script{len(list(folder.iterdir()))}.py").write_text(code, encoding="utf-8")
    assert len(list(folder.iterdir())) > 2 * len(CATALOG)
    return folder


@pytest.mark.parametrize("command", [("format", "--check"), ("check", "--select", "E,F,I,B,UP,RUF100")])
def test_the_code_is_formatted_and_uses_all_that_it_defines(scripts: Path, command: tuple[str, ...]) -> None:
    options = ("--isolated", "--no-cache", "--line-length", "100")
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", *command, *options, str(scripts)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_the_code_says_nothing_of_the_stack_and_of_bridle(scripts: Path) -> None:
    for script in scripts.iterdir():
        text = script.read_text(encoding="utf-8")
        for word in ("bridle", "noqa", "type: ignore", "(..., batch", "out=out"):
            assert word not in text, script


@pytest.mark.parametrize(
    ("recipe", "network", "task"),
    [
        ("Dropout(rate=0.1) + WeightDecay(strength=0.01)", "mlp(64)", "classification"),
        ("BatchNorm + ImageShift(limit=0.0)", "convnet(4, 8)", "classification"),
        ("L2(strength=0.01)", "mlp(16)", "regression"),
    ],
)
def test_the_code_that_is_run_trains_on_data_of_scikit_learn(
    monkeypatch: pytest.MonkeyPatch, recipe: str, network: str, task: str
) -> None:
    printed: list[str] = []
    code = to_code(recipe, network, Protocol(lr=0.02, epochs=6), task=task)
    functions(monkeypatch, code, "__main__", printed.append)
    *epochs, last = printed
    assert len(epochs) == 6 and epochs[-1].startswith("epoch 6: validation loss")
    measure, score = last.removeprefix("validation ").split(": ")
    assert measure == {"classification": "accuracy", "regression": "r2"}[task]
    assert float(score) > {"classification": 0.9, "regression": 0.2}[task]


def test_the_code_runs_by_itself(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(to_code("Dropout(rate=0.2)", "mlp(16)", Protocol(epochs=1)), encoding="utf-8")
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"epoch 1: .*\nvalidation accuracy: 0\.\d+\n", ran.stdout)


def loss(w: Tensor, *, strength: float) -> Tensor:
    """Any shape -> the penalty, under a name that the loop has as well."""
    return strength * beta(w)


def beta(w: Tensor) -> Tensor:
    """The sum of cubes, under a name that Mixup's neighbor has as well."""
    return w.abs().pow(3).sum()


def add_loss_gradient(g: Tensor, w: Tensor, *, strength: float, out: Tensor | None = None) -> Tensor:
    return torch.add(g, 3 * strength * w * w.abs(), out=out)


@pytest.mark.usefixtures("own_leaves")
def test_names_that_two_formulas_or_the_loop_share_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, digits: Data
) -> None:
    @dataclass(frozen=True, repr=False)
    class Cubes(Loss):
        """Adds the sum of cubes to the loss."""

        strength: float = knob(0.01, "cost", off=0.0)
        vanilla = staticmethod(loss)
        torch = staticmethod(loss)
        add_gradient = staticmethod(add_loss_gradient)

    recipe = "Cubes + CutMix + ASAM + UnitNorm(on='output.*')"
    assert "def test_code_scripts_loss(" in to_code(recipe) and "def test_code_scripts_beta(" in to_code(recipe)
    check_steps(monkeypatch, digits, recipe)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("L2", lambda: nn.Linear(2, 2)), "to_code writes networks that bridle describes"),
        (("L2", "mlp(8"), "cannot read the network"),
        (("StochasticDepth",), "no place in this network"),
        (("Mixop",), "did you mean Mixup"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_sentence(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        to_code(*arguments)


@pytest.mark.parametrize(
    ("recipe", "task", "protocol", "said"),
    [
        ("LabelSmoothing", "regression", Protocol(), "is for classes"),
        ("L2", "clustering", Protocol(), "the task must be one of"),
        ("L2", "regression", Protocol(class_weight="balanced"), "class_weight='balanced' is for classes"),
        ("L2", "regression", Protocol(metric="auroc"), "the metric of a regression must be one of r2, rmse, mae"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(recipe: str, task: str, protocol: Protocol, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        to_code(recipe, protocol=protocol, task=task)


def test_a_metric_of_the_users_own_is_named_where_the_loss_stands_in_for_it() -> None:
    remark = "        # The loss stands in for profit, which is a metric of your own: put it in its place.\n"
    code = to_code("L2", NETWORK, Protocol(metric="profit"))
    assert remark in code
    assert code.replace(remark, "") == to_code("L2", NETWORK, Protocol(metric="log_loss"))


def test_making_the_code_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    to_code("Dropout + BatchNorm + WeightNorm", convnet(4, 6))
    assert torch.equal(torch.get_rng_state(), before)
