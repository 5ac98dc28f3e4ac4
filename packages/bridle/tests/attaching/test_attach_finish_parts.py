"""A finished model has taken a norm into the weight beside it, or keeps it as a layer where that weight must stay."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from loops import data, outputs, perceptron
from torch import Tensor, nn

from bridle.attaching import Handle, attach


def case(model: nn.Module, recipe: str, *, frozen: str = "", example: Any = None, **optimizer: Any) -> Handle:
    """Attached, with some of the numbers moved, so that nothing is the same by chance."""
    for name, each in model.named_parameters():
        each.requires_grad_(not frozen or not name.startswith(frozen))
    own = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.01)
    handle = attach(model, own, recipe, loss=lambda z, y: z.square().mean(), example=example)
    random = torch.Generator().manual_seed(3)
    numbers: list[tuple[str, Tensor]] = [*model.named_parameters(), *model.named_buffers()]
    for name, number in numbers:
        if "recipe_" in name and number.is_floating_point():
            number.data.add_(torch.rand(number.shape, generator=random, dtype=number.dtype))
    return handle


def finished(handle: Handle, x: Tensor) -> nn.Module:
    """The same outputs before and after."""
    handle.step(x, x)
    evaluated = outputs(handle.model, x)
    model = handle.finish()
    torch.testing.assert_close(outputs(model, x), evaluated)
    return model


class Tied(nn.Module):
    """An autoencoder whose decoder has the weight of its encoder: as a parameter of its own, or as it reads it."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 6), nn.Linear(6, 6)
        self.reads, self.last = reads, nn.Linear(6, 3)
        if not reads:
            self.decoder.weight = self.encoder.weight

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.encoder(x))
        return self.last(nn.functional.linear(h, self.encoder.weight.T) if self.reads else self.decoder(h))


@pytest.mark.parametrize("reads", [True, False])
def test_a_weight_that_is_used_elsewhere_too_is_left_as_it_is(reads: bool) -> None:
    handle = case(Tied(reads=reads), "BatchNorm(at='encoder')")
    x = torch.randn(8, 6)
    handle.step(x, x)
    stored = handle.model.get_parameter("encoder.weight").clone()
    evaluated = outputs(handle.model, x)
    model = pickle.loads(pickle.dumps(handle.finish()))
    assert isinstance(model.encoder.norm1, nn.BatchNorm1d)
    assert torch.equal((model.encoder if reads else model.encoder.layer).weight, stored)
    assert reads or model.decoder.weight is model.encoder.layer.weight
    torch.testing.assert_close(outputs(model, x), evaluated)
    model(x).sum().backward()


class Asserting(Tied):
    """The one that reads, which looks at what it gives out."""

    def forward(self, x: Tensor) -> Tensor:
        outputs = super().forward(x)
        assert torch.isfinite(outputs).all()
        return outputs


def test_a_model_that_asserts_what_it_computes_is_finished() -> None:
    finished(case(Asserting(reads=True), "BatchNorm(at='encoder')"), torch.randn(8, 6))


def test_what_is_frozen_stays_as_it_is() -> None:
    handle = case(perceptron(), "BatchNorm", frozen="0.")
    before = handle.model.get_parameter("0.weight").clone()
    model = finished(handle, data()[0])
    assert torch.equal(model.get_parameter("0.weight"), before) and not model.get_parameter("0.weight").requires_grad
    assert isinstance(model.get_submodule("0_norm1"), nn.BatchNorm1d)
    assert not hasattr(model, "2_norm2")


def test_a_norm_in_front_is_folded_but_where_zeros_are_put_around_its_input() -> None:
    x = torch.randn(8, 4, 6, 6)
    for convolution, folds in [
        (nn.Conv2d(4, 6, 3, padding=1), False),
        (nn.Conv2d(4, 6, 3, padding="same"), False),
        (nn.Conv2d(4, 6, 3, groups=2), True),
        (nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular", bias=False), True),
    ]:
        model = nn.Sequential(convolution, nn.Flatten(), nn.LazyLinear(3))
        model(x)
        finished(case(model, "BatchNorm(at='input')"), x)
        assert any(isinstance(part, nn.BatchNorm2d) for part in model) is not folds
    finished(case(perceptron(), "BatchNorm(at='input')"), data()[0])


@pytest.mark.parametrize("groups", [1, 2])
def test_a_norm_behind_a_transposed_convolution_is_folded(groups: int) -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 4, 1), nn.ConvTranspose2d(4, 6, 3, groups=groups), nn.Flatten(), nn.Linear(54, 3)
    )
    x = torch.randn(8, 2, 1, 1)
    finished(case(model, "BatchNorm(at='ConvTranspose2d')", example=x), x)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in model.modules())


def test_a_part_with_a_hook_or_a_forward_of_the_users_own_takes_nothing_in() -> None:
    class Doubled(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    model = nn.Sequential(Doubled(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    model[2].register_forward_hook(lambda part, inputs, out: out.square())
    finished(case(model, "BatchNorm"), data()[0])
    assert [name for name, _ in model.named_children() if "norm" in name] == ["0_norm1", "2_norm2"]


def test_a_layer_that_is_used_twice_and_one_that_a_list_holds() -> None:
    class Looped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])
            self.again, self.last = self.steps[0], nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            for step in self.steps:
                x = torch.relu(step(x))
            return self.last(torch.relu(self.again(x)))

    for recipe in ("BatchNorm", "LayerNorm"):
        model = finished(case(Looped(), recipe), data()[0])
        assert model.get_submodule("again") is model.get_submodule("steps.0")


def test_steps_that_the_model_calls_one_by_one_are_not_moved() -> None:
    class Indexed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

        def forward(self, x: Tensor) -> Tensor:
            return self.body[2](self.body[1](self.body[0](x)))

    model = finished(case(Indexed(), "LayerNorm"), data()[0])
    assert isinstance(model.body, nn.Sequential) and len(model.body) == 3
    assert isinstance(model.body[0].norm1, nn.LayerNorm)


def test_a_model_that_asks_more_of_a_part_than_to_be_called_keeps_its_recipe_and_gets_a_sentence() -> None:
    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = Scaled(nn.Linear(6, 8)), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.down(self.up(torch.relu(self.up[0](x)), 2.0))

    class Scaled(nn.Sequential):
        def forward(self, x: Tensor, factor: float) -> Tensor:  # type: ignore[override]  # which is the mistake
            return factor * x

    handle = case(Asking(), "LayerNorm(at='up')", example=torch.ones(1, 6))
    x = data()[0]
    handle.step(x, x)
    before = {name: each.clone() for name, each in handle.model.state_dict().items()}
    with pytest.raises(ValueError, match=r"norm2 at up cannot be left in the model.*stays attached"):
        handle.finish()
    assert handle.model.state_dict().keys() == before.keys()
    assert all(torch.equal(each, before[name]) for name, each in handle.model.state_dict().items())
    handle.step(x, x)


def test_norms_stay_beside_weights_of_few_digits() -> None:
    handle = case(perceptron().bfloat16(), "BatchNorm")
    x = data(torch.bfloat16)[0]
    handle.step(x, x)
    evaluated = outputs(handle.model, x)
    model = handle.finish()
    assert isinstance(model.get_submodule("0_norm1"), nn.BatchNorm1d)
    torch.testing.assert_close(outputs(model, x), evaluated)


def test_a_forward_that_is_run_past_what_stands_beside_its_part() -> None:
    class Past(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.relu(self.second(torch.relu(self.first(x)))) + self.first.forward(x))

    for recipe in ("BatchNorm", "LayerNorm"):
        handle = case(Past(), recipe)
        x = data()[0]
        handle.step(x, x)
        evaluated = outputs(handle.model, x)
        with pytest.raises(ValueError, match="norm1 at first cannot be left in the model"):
            handle.finish()
        assert torch.equal(outputs(handle.model, x), evaluated)
        assert "forward" not in vars(handle.model.first)
    finished(case(Past(), "BatchNorm(at='second')"), data()[0])


@pytest.mark.parametrize("recipe", ["Dropout(rate=0.1)", "BatchNorm", "LayerNorm"])
def test_an_encoder_with_masked_positions_is_evaluated_and_finished(recipe: str) -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Linear(6, 8), nn.Linear(8, 3)
            self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)

        def forward(self, x: Tensor) -> Tensor:
            masked = torch.tensor([False, False, True]).expand(len(x), 3)
            h = self.embed(x[:, None] * torch.arange(1.0, 4.0)[:, None])
            return self.head(self.encoder(h, src_key_padding_mask=masked)[:, :2].mean(1))

    model = finished(case(Masked(), recipe), data()[0])
    by_parts = model.eval()(data()[0])  # with gradients torch takes no fast path
    torch.testing.assert_close(by_parts, outputs(model, data()[0]))


def test_steps_of_a_sequence_that_is_called_and_indexed_keep_their_numbers() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
            self.last = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.body(x) + self.body[2](x))

    model = finished(case(Both(), "LayerNorm"), data()[0])
    assert isinstance(model.body, nn.Sequential) and len(model.body) == 3
