"""A recipe is attached once: a second one, a copy and an interrupted attach leave nothing behind that acts twice."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import sys
import weakref
from types import FrameType
from typing import Any

import pytest
import torch
from loops import CRITERION, adam, attached, compiled, data, perceptron, train
from torch import nn

import bridle
from bridle.attaching import Handle, attach

RECIPES = ["L2 + EMA", "Dropout(rate=0.2)", "BatchNorm + WeightNorm", "SAM + RDrop"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_cell_that_runs_again_is_refused_and_says_what_to_do(recipe: str) -> None:
    model = perceptron()
    first = attach(model, adam(model), recipe, loss=CRITERION)
    before = state_of(model, first.optimizer)
    again = adam(model)
    for optimizer in (again, first.optimizer):
        with pytest.raises(ValueError, match=r"attached already.*bridle\.attached\(.*\)\.finish\(\) or \.detach\(\)"):
            attach(model, optimizer, recipe, loss=CRITERION)
    assert state_of(model, first.optimizer) == before
    assert bridle.attached(model) is first
    first.detach()
    assert bridle.attached(model) is None
    attach(model, again, recipe, loss=CRITERION).finish()
    assert bridle.attached(model) is None
    assert not any("_recipe" in name for part in model.modules() for name in vars(part))


def test_a_handle_that_was_lost_is_found_as_long_as_its_model_lives() -> None:
    model = perceptron()
    attach(model, adam(model), "Dropout")
    gc.collect()
    handle = bridle.attached(model)
    assert handle is not None and str(handle.recipe) == "Dropout(rate=0.5)"
    assert bridle.attached(compiled(model)) is handle
    assert bridle.attached(nn.DataParallel(model)) is handle
    alive = weakref.ref(model)
    del model, handle
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("outer_first", [True, False])
def test_what_contains_an_attached_model_and_what_it_contains_are_attached(outer_first: bool) -> None:
    inner = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8))
    outer = nn.Sequential(inner, nn.ReLU(), nn.Linear(8, 3))
    one, other = (outer, inner) if outer_first else (inner, outer)
    handle = attach(one, adam(one), "Dropout(rate=0.2) + L2")
    with pytest.raises(ValueError, match="attached already"):
        attach(other, adam(other), "L2")
    with pytest.raises(ValueError, match="attached already"):
        attach(compiled(one), adam(one), "L2")
    assert bridle.attached(other) is handle


def test_two_optimizers_of_two_parts_have_a_recipe_each() -> None:
    model = perceptron()
    first, second = (torch.optim.Adam(part.parameters(), lr=0.01) for part in (model[0], model[2]))
    handles = attach(model, first, "L2(strength=0.1) + EMA"), attach(model, second, "L2(strength=0.2) + ClipNorm")
    CRITERION(model(data()[0]), data()[1]).backward()
    for handle in handles:
        handle.optimizer.step()
        assert handle.steps_done == 1
    one, other = perceptron(), perceptron()
    attach(one, adam(one), "Dropout"), attach(other, adam(other), "Dropout")


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_computes_the_same_has_no_handle_and_is_not_attached_on_top(again: Any) -> None:
    handle = attached("Dropout(rate=0.2) + BatchNorm + ActivityL1 + EMA")
    train(handle, 3)
    copied = again(handle.model)
    x, _ = data()
    assert torch.equal(copied.eval()(x), handle.model.eval()(x))
    assert bridle.attached(copied) is None and bridle.attached(handle.model) is handle
    with pytest.raises(ValueError, match=r"copy of a model with a recipe attached.*handle\.finish\(\)"):
        attach(copied, adam(copied), "Dropout")
    plain = again(attached("L2 + EMA").model)
    attach(plain, adam(plain), "L2 + EMA + Dropout")
    done = again(handle.finish())
    attach(done, adam(done), "Dropout")


def test_the_model_of_a_recipe_without_layers_is_saved_as_if_there_were_none() -> None:
    file = io.BytesIO()
    torch.save(attached("L2 + EMA").model, file)
    assert b"bridle" not in file.getvalue()


def test_a_handle_itself_is_not_copied() -> None:
    handle = attached("L2")
    for again in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"save handle\.state_dict\(\)"):
            again(handle)


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """All that attach may change; parameters by their names, so that models made alike have the same."""
    parts, names = dict(model.named_modules()), {each: name for name, each in model.named_parameters()}
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_state_dict_hooks")
    return {
        "parts": {name: (type(part), part.training, sorted(vars(part))) for name, part in parts.items()},
        "hooks": {name: [[*vars(part)[kind]] for kind in hooks] for name, part in parts.items()},
        "weights": {name: each.tolist() for name, each in model.state_dict().items()},
        "rates": [part.p for part in model.modules() if isinstance(part, nn.Dropout)],
        "groups": [{**each, "params": [names[one] for one in each["params"]]} for each in optimizer.param_groups],
        "steps": [[*optimizer._optimizer_step_pre_hooks], [*optimizer._optimizer_step_post_hooks]],
    }


EVERYTHING = (
    "Mixup + Dropout(rate=0.5, at='Dropout') + BatchNorm(at='all') + SpectralNorm + WeightNorm + LayerNorm + ActivityL1"
    " + RDrop + L2ToInit + SpectralPenalty + SAM + ClipNorm + GradientNoise + MaxNorm + SWA + EarlyStopping"
    " + WeightDecay(strength={'0.*': 0.1, '*': 0.2})"
)


class Faulty:
    """Raises at one of the calls of bridle's functions that attach makes; counts them."""

    def __init__(self, at: int) -> None:
        self.calls, self.at = 0, at

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        ours = str(frame.f_globals.get("__name__")).startswith("bridle.attaching")
        if event == "call" and ours and frame.f_code.co_name != "<genexpr>":  # one that is closed cannot raise
            self.calls += 1
            if self.calls == self.at:
                sys.setprofile(None)
                raise ZeroDivisionError


def with_dropout() -> nn.Sequential:
    model = perceptron()
    return nn.Sequential(*list(model)[:2], nn.Dropout(0.3), *list(model)[2:])


def faulty(at: int) -> tuple[int, nn.Module, torch.optim.Optimizer, Handle | None]:
    """Attach, with a fault."""
    model = with_dropout()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.3)
    fault, before, handle = Faulty(at), sys.getprofile(), None
    sys.setprofile(fault)
    try:
        handle = attach(model, optimizer, EVERYTHING, loss=CRITERION, steps=10, seed=1)
    except ZeroDivisionError:
        pass
    finally:
        sys.setprofile(before)
    return fault.calls, model, optimizer, handle


def test_an_attach_that_fails_anywhere_leaves_nothing_changed() -> None:
    calls, *_ = faulty(0)
    model = with_dropout()
    expected = state_of(model, torch.optim.AdamW(model.parameters(), weight_decay=0.3))
    for at in range(1, calls + 1, 13):
        _, left, optimizer, handle = faulty(at)
        assert handle is None, at
        assert state_of(left, optimizer) == expected, at
        assert bridle.attached(left) is None, at


def test_what_is_no_model_has_no_handle_to_ask_for() -> None:
    with pytest.raises(ValueError, match=r"attached takes the model, an nn\.Module, got Adam"):
        bridle.attached(torch.optim.Adam(nn.Linear(2, 1).parameters()))  # type: ignore[arg-type]
