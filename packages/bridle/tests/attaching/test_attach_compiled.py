"""Programs that ``torch.compile`` made before are made anew; what runs without Python is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from loops import CRITERION, adam, data, perceptron, weights
from torch import Tensor, nn

from bridle.attaching import attach
from bridle.attaching.compiled import GUARDS

Call = Callable[[Tensor], Tensor]


def compiled(model: nn.Module) -> Call:
    run: Call = torch.compile(model, backend="eager")
    return run


def in_place(model: nn.Module) -> Call:
    model.compile(backend="eager")
    return model


@torch.no_grad()
def noise(run: Call) -> float:
    x, _ = data()
    return float((run(x) - run(x)).abs().max())


@pytest.fixture(autouse=True)
def nothing_compiled() -> None:
    torch.compiler.reset()


@pytest.mark.parametrize("way", [compiled, in_place])
def test_a_model_that_was_compiled_and_run_has_the_layers_that_are_attached_then(way: Any) -> None:
    model = perceptron()
    run = way(model)
    assert noise(run) == 0
    handle = attach(model, adam(model), "Dropout(rate=0.5)")
    assert noise(run) > 0.01
    handle.detach()
    assert noise(run) == 0


@pytest.mark.parametrize("baseline_first", [True, False])
def test_another_model_of_the_class_that_was_compiled_is_another(baseline_first: bool) -> None:
    model, baseline = perceptron(), compiled(perceptron())
    if baseline_first:
        baseline(data()[0])
    attach(model, adam(model), "Dropout(rate=0.5)")
    run = compiled(model)
    if not baseline_first:
        baseline(data()[0])
    assert noise(run) > 0.01
    assert noise(baseline) == 0


@pytest.mark.parametrize("before", [True, False])
def test_torchs_setting_is_what_it_was_behind_the_last_recipe(before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    config = torch._dynamo.config
    monkeypatch.setattr(GUARDS, "attached", 0)  # recipes of other tests were never taken off
    monkeypatch.setattr(GUARDS, "before", None)
    with config.patch(skip_nnmodule_hook_guards=before):
        first, second = (attach(model, adam(model), "Dropout") for model in (perceptron(), perceptron()))
        with pytest.raises(ValueError, match="attached already"):
            attach(first.model, adam(first.model), "Dropout")
        first.detach()
        assert not config.skip_nnmodule_hook_guards
        second.finish()
        assert config.skip_nnmodule_hook_guards is before


def test_a_compiled_model_without_a_recipe_trains_on_beside_one() -> None:
    def trained(*, beside: bool) -> Tensor:
        model, (x, y) = perceptron(), data()
        run, optimizer = compiled(model), torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(4):
            if beside and step == 1:
                other = perceptron()
                handle = attach(other, adam(other), "Dropout(rate=0.5) + ActivityL2 + BatchNorm", loss=CRITERION)
            if beside and step > 0 and not handle._ended:
                handle.step(x, y)
                handle.finish() if step == 2 else None
            CRITERION(run(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
        return weights(model)

    assert torch.equal(trained(beside=True), trained(beside=False))


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("within", [False, True])
def test_a_scripted_model_is_refused(within: bool) -> None:
    scripted = torch.jit.trace(perceptron(), data()[0])
    model = nn.Sequential(scripted, nn.Linear(3, 3)) if within else scripted
    with pytest.raises(ValueError, match="runs without Python, where a recipe acts"):
        attach(model, adam(model), "Dropout")
