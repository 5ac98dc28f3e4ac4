"""Penalties on what comes out, and second passes: of the last pass, under its noise, moving no statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from loops import CRITERION, adam, attached, data, perceptron
from torch import Tensor, nn

from bridle.attaching import attach
from bridle.regularizers import ActivityL2, ConfidencePenalty, RDrop


@dataclass
class Answer:
    """As Hugging Face's models give it."""

    logits: Tensor


class Named(nn.Module):
    """Takes its input by name, gives out an object or a dictionary."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.inner, self.form = perceptron(), form

    def forward(self, *, x: Tensor) -> Any:
        z = self.inner(x)
        return Answer(z) if self.form == "object" else {"logits": z}


def with_norm() -> nn.Sequential:
    model = perceptron()
    return nn.Sequential(model[0], nn.BatchNorm1d(8), nn.Dropout(0.4), *list(model)[1:])


def test_activations_and_outputs_are_those_of_the_last_training_pass() -> None:
    handle = attached("ActivityL2(strength=0.3) + ConfidencePenalty(strength=0.2)")
    model, (x, _) = handle.model, data()
    model(x[:5])
    z = model(x)
    model.eval()(x[:7])
    first = torch.relu(model.get_submodule("0")(x))
    second = torch.relu(model.get_submodule("2")(first))
    activities = sum(ActivityL2.torch(h, strength=0.3) for h in (first, second))
    torch.testing.assert_close(handle.penalty(), activities + ConfidencePenalty.torch(z, strength=0.2))


@pytest.mark.parametrize("recipe", ["ActivityL1", "ConfidencePenalty", "RDrop"])
def test_a_penalty_without_a_pass_gets_a_sentence(recipe: str) -> None:
    handle = attached(recipe)
    with pytest.raises(RuntimeError, match="last training pass, and there was none"):
        handle.penalty()
    handle.model(data()[0])
    handle.penalty()
    with pytest.raises(RuntimeError, match="last training pass, and there was none"):
        handle.penalty()


def test_r_drop_compares_with_a_pass_under_other_noise() -> None:
    handle = attached("Dropout(rate=0.5) + RDrop(strength=2.0)")
    x, _ = data()
    torch.manual_seed(3)
    z = handle.model(x)
    penalty = handle.penalty()
    torch.manual_seed(3)
    with torch.no_grad():
        first, second = handle.model(x), handle.model(x)
    torch.testing.assert_close(z.detach(), first)
    torch.testing.assert_close(penalty.detach(), RDrop.torch(first, second, strength=2.0))
    assert penalty > 0 and penalty.requires_grad


@pytest.mark.parametrize("recipe", ["VAT", "JacobianPenalty", "SAM"])
@pytest.mark.parametrize("seed", [None, 3])
def test_a_second_pass_sees_the_noise_of_the_first_and_leaves_statistics_and_generator(
    recipe: str, seed: int | None
) -> None:
    model = with_norm()
    handle = attach(model, adam(model), f"{recipe} + Dropout(rate=0.3)", loss=CRITERION, seed=seed)
    zeros: list[Tensor] = []
    model[4].register_forward_pre_hook(lambda part, inputs: zeros.append(inputs[0].detach() == 0))
    x, y = data()
    torch.manual_seed(0)
    (CRITERION(model(x), y) + handle.penalty()).backward()
    mean = model.get_buffer("1.running_mean").clone()
    handle.ascend(lambda: CRITERION(model(x), y) + handle.penalty())
    drawn = torch.rand(1)
    assert len(zeros) == {"VAT": 3, "JacobianPenalty": 2, "SAM": 2}[recipe]
    for each in zeros[1:]:
        assert (each == zeros[0]).float().mean() > 0.9  # but for what is on the other side of a ReLU there
    assert int(model.get_buffer("1.num_batches_tracked")) == 1
    assert torch.equal(model.get_buffer("1.running_mean"), mean)
    torch.manual_seed(0)
    model(x)
    if seed is None and recipe != "SAM":
        torch.randn(x.shape)  # for the move
    assert torch.equal(torch.rand(1), drawn)


def test_the_graph_of_the_first_pass_outlives_the_second() -> None:
    model = with_norm()
    handle = attach(model, adam(model), "RDrop + JacobianPenalty + BatchNorm", loss=CRITERION)
    for _ in range(2):
        handle.step(*data())
    assert int(model.get_buffer("1.num_batches_tracked")) == 2


@pytest.mark.parametrize("form", ["object", "dictionary"])
@pytest.mark.parametrize("recipe", ["ConfidencePenalty", "RDrop + Dropout(rate=0.2)", "JacobianPenalty", "VAT"])
def test_models_that_take_names_and_give_objects_have_penalties_on_their_logits(form: str, recipe: str) -> None:
    model, plain = Named(form), perceptron()
    handle = attach(model, adam(model), recipe, seed=1)
    other = attach(plain, adam(plain), recipe, seed=1)
    x, _ = data()
    model(x=x)
    plain(x)
    torch.testing.assert_close(handle.penalty(), other.penalty())


@pytest.mark.parametrize(
    ("recipe", "model", "x", "sentence"),
    [
        ("ConfidencePenalty", nn.Linear(6, 1), torch.rand(4, 6), "is for classes"),
        ("ConfidencePenalty", nn.Conv1d(2, 3, 1), torch.rand(4, 2, 5), "as \\(batch, outputs\\)"),
        (
            "JacobianPenalty",
            nn.Sequential(nn.Embedding(4, 3), nn.Flatten(), nn.Linear(6, 3)),
            torch.ones(4, 2).long(),
            "moves",
        ),
    ],
)
def test_what_no_penalty_fits_gets_a_sentence(recipe: str, model: nn.Module, x: Tensor, sentence: str) -> None:
    handle = attach(model, adam(model), recipe)
    model(x)
    with pytest.raises(ValueError, match=sentence):
        handle.penalty()


def test_the_gradient_of_sam_is_that_at_the_moved_weights_and_the_weights_come_back() -> None:
    handle = attached("SAM(radius=0.2) + L2(strength=0.1)")
    model, (x, y) = handle.model, data()
    twin = perceptron()

    def gradients(scale: float) -> list[Tensor]:
        loss = CRITERION(twin(x), y) + 0.1 * sum(each.square().sum() for each in twin.parameters() if each.ndim > 1)
        return list(torch.autograd.grad(loss, list(twin.parameters())))

    first = gradients(1.0)
    length = torch.stack([each.norm() for each in first]).norm()
    with torch.no_grad():
        for each, g in zip(twin.parameters(), first, strict=True):
            each.add_(g, alpha=0.2 / length.item())
    CRITERION(model(x), y).backward()
    before = [each.detach().clone() for each in model.parameters()]
    handle.ascend(lambda: CRITERION(model(x), y))
    for each, g, w in zip(model.parameters(), gradients(1.0), before, strict=True):
        assert each.grad is not None
        torch.testing.assert_close(each.grad, g)
        assert torch.equal(each, w)


def test_a_closure_may_call_backward_itself() -> None:
    one, other = attached("SAM"), attached("SAM")
    x, y = data()
    for handle in (one, other):
        CRITERION(handle.model(x), y).backward()
    one.ascend(lambda: CRITERION(one.model(x), y))
    other.ascend(
        lambda: (
            [CRITERION(other.model(x[rows]), y[rows]).div(2).backward() for rows in (slice(24), slice(24, 48))] and None
        )
    )
    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_outputs_of_one_number_for_each_row_are_a_regressions() -> None:
    class Number(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.line(x).squeeze(1)

    model = Number()
    handle = attach(model, adam(model), "JacobianPenalty(strength=1.0, spread=0.001)", seed=0)
    x = data()[0].double()
    model.double()(x)
    expected = model.line.weight.square().sum()
    assert handle.penalty().item() == pytest.approx(expected.item(), rel=0.5)  # one random direction for each row
