"""The user's own loop: each line does its part, and one that is missing is noticed."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from loops import CRITERION, adam, attached, data, perceptron, train, weights
from torch import Tensor, nn

from bridle.attaching import Handle, attach
from bridle.regularizers import CATALOG

EVERYTHING = "Mixup + Dropout(rate=0.1) + L2 + ActivityL1 + RDrop + SAM + ClipNorm + WeightDecay + MaxNorm + EMA"


def by_lines(handle: Handle, steps: int, leave_out: str = "") -> list[float]:
    """The loop as it stands in the documentation, one line left out."""
    model, optimizer = handle.model, handle.optimizer
    losses = []
    for _ in range(steps):
        x, y = data()
        if leave_out != "batch":
            x, y = handle.batch(x, y)
        loss = CRITERION(model(x), y)
        losses.append(loss.item())
        if leave_out != "penalty":
            loss = loss + handle.penalty()
        loss.backward()
        if leave_out != "ascend":
            handle.ascend(lambda: CRITERION(model(x), y) + handle.penalty())  # noqa: B023 - called at once
        optimizer.step()
        optimizer.zero_grad()
    return losses


def test_one_line_for_all_does_what_the_lines_do() -> None:
    one, other = attached(EVERYTHING), attached(EVERYTHING)
    torch.manual_seed(3)
    by_lines(one, 4)
    torch.manual_seed(3)
    x, y = data()
    for _ in range(4):
        other.step(x, y)
    assert torch.equal(weights(one.model), weights(other.model))


@pytest.mark.parametrize(
    ("line", "recipe"), [("batch", "Mixup"), ("penalty", "ActivityL2"), ("penalty", "RDrop"), ("ascend", "SAM")]
)
def test_a_line_that_the_recipe_needs_is_missed(line: str, recipe: str) -> None:
    with pytest.raises(RuntimeError, match=rf"needs a line.*handle\.{line}\("):
        by_lines(attached(recipe), 1, leave_out=line)


@pytest.mark.parametrize("line", ["batch", "penalty", "ascend"])
def test_a_line_that_the_recipe_does_not_need_may_be_there_or_not(line: str) -> None:
    with_it, without = attached("L2 + EMA"), attached("L2 + EMA")
    by_lines(with_it, 2)
    by_lines(without, 2, leave_out=line)
    assert torch.equal(weights(with_it.model), weights(without.model))


def test_a_batch_that_nothing_changes_is_the_same_object() -> None:
    x, y = data()
    shown = attached("L2").batch(x, y)
    assert shown[0] is x and shown[1] is y


def test_the_second_gradient_of_sam_misses_a_penalty_too() -> None:
    handle = attached("SAM + ActivityL1")
    x, y = data()
    (CRITERION(handle.model(x), y) + handle.penalty()).backward()
    with pytest.raises(RuntimeError, match="second gradient"):
        handle.ascend(lambda: CRITERION(handle.model(x), y))


@pytest.mark.parametrize("recipe", ["L2(strength=0.01) + ClipNorm + EMA", "SAM(radius=0.1)"])
def test_gradients_added_up_over_small_batches_are_those_of_the_whole_batch(recipe: str) -> None:
    whole, small = attached(recipe), attached(recipe)
    x, y = data()
    for _ in range(3):
        whole.step(x, y)
        for rows in torch.arange(len(x)).split(len(x) // 4):
            small.step(x[rows], y[rows], update=bool(rows[-1] == len(x) - 1))
    torch.testing.assert_close(weights(small.model), weights(whole.model))
    assert small.steps_done == 3


def test_an_optimizer_that_is_given_a_closure_changes_its_gradients() -> None:
    one, other = (
        attached("L2(strength=0.1) + ClipNorm(limit=0.01) + EMA"),
        attached("L2(strength=0.1) + ClipNorm(limit=0.01) + EMA"),
    )
    x, y = data()

    def closure() -> Any:  # a tensor, as in every tutorial; torch declares a float
        one.optimizer.zero_grad()
        loss = CRITERION(one.model(x), y)
        loss.backward()
        return loss

    for _ in range(3):
        one.optimizer.step(closure)
        one.optimizer.step(closure=closure)
    by_lines(other, 6)
    assert torch.equal(weights(one.model), weights(other.model))


def fits_rows(leaf: Any) -> bool:
    """Neither images nor a residual network are needed."""
    return not (getattr(leaf, "images_only", False) or getattr(leaf(), "at", "") == "residual")


@pytest.mark.parametrize("name", [each for each, leaf in CATALOG.items() if leaf.place != "stop" and fits_rows(leaf)])
def test_torchs_seed_decides_all_noise(name: str) -> None:
    runs = []
    for _ in range(2):
        torch.manual_seed(1)
        handle = attached(CATALOG[name]())
        losses = train(handle, 5)
        with handle.averaged() as model:
            runs.append([*losses, *weights(model).tolist()])
    assert all(map(math.isfinite, runs[0]))
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"model": 3}, "takes an nn.Module"),
        ({"optimizer": 3}, "takes an optimizer"),
        ({"recipe": "Dropuot"}, "did you mean Dropout"),
        ({"recipe": "SWA", "steps": None}, "must know how long the training is"),
        ({"recipe": "Dropout(rate=until(0.5))", "steps": None}, "must know how long the training is"),
        ({"recipe": "SnapshotEnsemble", "steps": None}, "must know how long the training is"),
        ({"steps": 0}, "steps must be a whole number above 0"),
        ({"steps": True}, "steps must be a whole number above 0"),
        ({"recipe": "FGSM", "loss": None}, "attach\\(..., loss="),
        ({"recipe": "L2(on='Conv2d')"}, "selects none of the parameters"),
        ({"recipe": "Dropout(at='nowhere')"}, "is no place in this network"),
        ({"example": torch.ones(2, 5)}, "cannot take one row of the example"),
    ],
)
def test_what_cannot_be_attached_gets_a_sentence_and_changes_nothing(given: dict[str, Any], sentence: str) -> None:
    model = perceptron()
    optimizer = adam(model)
    everything = {"model": model, "optimizer": optimizer, "recipe": "L2", "loss": CRITERION, "steps": 10, **given}
    with pytest.raises(ValueError, match=sentence):
        attach(everything.pop("model"), everything.pop("optimizer"), everything.pop("recipe"), **everything)
    assert repr(model) == repr(perceptron())
    assert not optimizer._optimizer_step_pre_hooks
    assert len(optimizer.param_groups) == 1


class OfFourRows(nn.Module):
    """Refuses all other batches."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = perceptron()

    def forward(self, x: Tensor) -> Tensor:
        assert len(x) == 4, "not four rows"
        out: Tensor = self.steps(x)
        return out


def test_an_example_that_a_model_refuses_in_whatever_way_gets_a_sentence() -> None:
    model = OfFourRows()
    with pytest.raises(ValueError, match="cannot take one row of the example: AssertionError: not four rows"):
        attach(model, adam(model), "L2", example=torch.ones(4, 6))
    assert model.training


def test_a_recipe_that_fails_halfway_leaves_nothing_behind() -> None:
    model = perceptron()
    optimizer = torch.optim.AdamW(model.parameters())
    with pytest.raises(ValueError, match="selects none"):
        attach(model, optimizer, "Dropout + BatchNorm + WeightNorm + WeightDecay(strength=0.1) + MaxNorm(on='Conv2d')")
    assert repr(model) == repr(perceptron())
    assert len(optimizer.param_groups) == 1 and optimizer.param_groups[0]["weight_decay"] == 0.01
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_optimizers_that_do_not_go_with_it_get_a_sentence() -> None:
    model = perceptron()
    with pytest.raises(ValueError, match="LBFGS takes many gradients"):
        attach(model, torch.optim.LBFGS(model.parameters()), "L2")
    with pytest.raises(ValueError, match="negate the loss"):
        attach(model, adam(model, maximize=True), "L2")
    with pytest.raises(ValueError, match="holds none of the model's parameters"):
        attach(model, adam(perceptron()), "L2")


def test_a_second_recipe_on_one_optimizer_is_refused() -> None:
    handle = attached("L2")
    with pytest.raises(ValueError, match="has a recipe attached already"):
        attach(handle.model, handle.optimizer, "EMA")
    handle.detach()
    attach(handle.model, handle.optimizer, "EMA").detach()


def test_a_handle_is_of_no_use_once_it_is_detached() -> None:
    handle = attached("L2 + EMA")
    handle.detach()
    x, y = data()
    for use in (handle.penalty, handle.state_dict, handle.detach, lambda: handle.batch(x, y), lambda: handle.stop(1.0)):
        with pytest.raises(RuntimeError, match="was detached"):
            use()


def test_step_needs_the_loss() -> None:
    model = perceptron()
    with pytest.raises(ValueError, match=r"attach\(..., loss="):
        attach(model, adam(model), "L2").step(*data())


def test_the_penalties_on_weights_are_told_beside_the_loss() -> None:
    handle = attached("L2(strength=0.5) + L1(strength=0.1, on='0.*')")
    squares = [part.weight.square().sum() for part in handle.model.modules() if isinstance(part, nn.Linear)]
    sizes = [each.abs().sum() for each in handle.model.get_submodule("0").parameters()]
    expected = 0.5 * torch.stack(squares).sum() + 0.1 * torch.stack(sizes).sum()
    torch.testing.assert_close(handle.penalty_value(), expected.detach())
    assert attached("EMA").penalty_value() == 0


def test_what_acts_where_is_printed() -> None:
    model = perceptron()
    model[0].requires_grad_(False)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad])
    recipe = (
        "Mixup(alpha=0.2) + Dropout(rate=0.1) + ActivityL1(strength=0.01)"
        " + WeightDecay(strength={'2.*': 0.1, '*': 0.2}) + ClipNorm(limit=1.0) + EMA(decay=0.9)"
        " + EarlyStopping(patience=3.0)"
    )
    assert str(attach(model, optimizer, recipe)).splitlines() == [
        "Mixup(alpha=0.2): on each batch, by handle.batch(x, y)",
        "Dropout(rate=0.1): on the input of 2, 4",
        "ActivityL1(strength=0.01): on the input of 2, 4",
        "ClipNorm(limit=1.0): on all parameters",
        "WeightDecay(strength={'2.*': 0.1, '*': 0.2}): on 2.weight, 4.weight, by the optimizer itself",
        "EMA(decay=0.9): on all parameters",
        "EarlyStopping(patience=3.0): on the validation scores, by handle.stop(valid_loss)",
        "no decay: 2.bias, 4.bias",
        "note: frozen, so left alone: 0.weight, 0.bias",
        "note: the optimizer's own weight_decay of 0.01 rests: WeightDecay says what decays",
    ]
    assert str(attached("none")) == "none"
