"""Parameters of an unusual kind are acted on rightly, or refused by name before anything has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from loops import CRITERION, weight_of
from torch import Tensor, nn
from torch.testing._internal.two_tensor import TwoTensor

from bridle.attaching import attach

SPARSE = ["L2", "L1", "ClipNorm(limit=0.1)", "ClipValue", "SAM", "ASAM", "GradientNoise", "AdaptiveClip", "GroupLasso",
          "WeightNorm", "SpectralNorm", "DropConnect", "WeightStandardization"]  # fmt: skip
EVERY = ["L2", "WeightDecay", "MaxNorm", "ClipNorm", "SAM", "WeightNorm", "Dropout", "EMA", "BatchNorm", "InputNoise"]


class Words(nn.Module):
    """The mean of its words' vectors, then a linear layer."""

    def __init__(self, *, sparse: bool = False, padding: int | None = None, tied: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(9, 3, sparse=sparse, padding_idx=padding)
        self.last = nn.Linear(3, 9 if tied else 2)
        if tied:
            self.last.weight = self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.last(self.table(ids).mean(1))


class Looked(Words):
    """Looks vectors up by the function."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.last(nn.functional.embedding(ids, self.table.weight, sparse=True).mean(1))


def words() -> tuple[Tensor, Tensor]:
    return torch.tensor([[0, 1, 2], [0, 3, 4]]), torch.tensor([0, 1])


def in_inference() -> nn.Module:
    with torch.inference_mode():
        return nn.Linear(3, 2)


def in_pieces() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].weight = nn.Parameter(TwoTensor(torch.randn(4, 3), torch.randn(4, 3)))
    return model


@pytest.mark.parametrize("recipe", SPARSE)
def test_sparse_gradients_are_refused_where_they_would_have_to_be_dense(recipe: str) -> None:
    model = Words(sparse=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"cannot act on table\.weight of Embedding, whose gradients are sparse: make"):
        attach(model, optimizer, recipe)
    assert not optimizer._optimizer_step_pre_hooks


@pytest.mark.parametrize(
    "recipe",
    [
        "L2(on='last.*')",
        "SAM(on='last.*')",
        "ASAM(on='last.*')",
        "WeightNorm(on='last.*')",
        "WeightDecay",
        "MaxNorm",
        "EMA",
        "Dropout",
        "SWA",
        "ShrinkPerturb",
    ],
)
def test_what_leaves_gradients_alone_acts_beside_sparse_ones(recipe: str) -> None:
    sparse, dense = Words(sparse=True), Words()
    for model in (sparse, dense):
        handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), recipe, loss=CRITERION, steps=5, seed=0)
        for _ in range(2):
            handle.step(*words(), update=False)
            handle.step(*words())
    for one, other in zip(sparse.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_ids_of_words_are_moved_along_no_slope() -> None:
    model = Words()
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "FGSM", loss=CRITERION)
    with pytest.raises(ValueError, match=r"changes rows as amounts, and these are of type torch.int64"):
        handle.step(*words())


def test_gradients_that_turn_out_to_be_sparse_are_refused_by_name() -> None:
    model = Looked()
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "ClipNorm", loss=CRITERION)
    with pytest.raises(ValueError, match=r"cannot act on table\.weight, whose gradients are sparse: look it up"):
        handle.step(*words())


def test_a_table_that_a_layer_shares_has_dense_gradients() -> None:
    model = Words(sparse=True, tied=True)
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "L2 + ClipNorm", loss=CRITERION)
    assert handle.step(*words()).isfinite()


@pytest.mark.parametrize("recipe", EVERY)
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: nn.LazyLinear(2), r"weight of LazyLinear has no shape before the first pass: run a batch"),
        (lambda: nn.Linear(3, 2, device="meta"), r"weight of Linear is on the device meta and holds no numbers"),
        (
            lambda: nn.Sequential(nn.Linear(3, 2), nn.LazyBatchNorm1d(affine=False)),
            r"1\.running_mean of LazyBatchNorm1d",
        ),
        (in_inference, r"weight of Linear was made in torch\.inference_mode"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_what_holds_no_numbers_yet_is_refused(recipe: str, make: Callable[[], nn.Module], sentence: str) -> None:
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=sentence):
        attach(model, optimizer, recipe)
    attach(model, optimizer, None)


@pytest.mark.parametrize(
    "recipe", ["L2", "MaxNorm", "ClipNorm", "SAM", "WeightNorm", "Dropout", "ActivityL2", "BatchNorm"]
)
def test_complex_weights_are_refused_by_what_is_for_real_ones(recipe: str) -> None:
    model = nn.Sequential(nn.Linear(3, 4, dtype=torch.complex64), nn.Linear(4, 2, dtype=torch.complex64))
    with pytest.raises(ValueError, match=r"complex"):
        attach(model, torch.optim.SGD(model.parameters(), lr=0.1), recipe)


def test_decay_and_averages_of_complex_weights_are_right() -> None:
    model = nn.Linear(3, 2, dtype=torch.complex64)
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "WeightDecay(strength=0.5) + EMA(decay=0.5)")
    before = model.weight.detach().clone()
    model.weight.grad = torch.zeros_like(model.weight)
    handle.optimizer.step()
    torch.testing.assert_close(model.weight.detach(), 0.95 * before)
    average = next(iter(handle.state_dict()["averages"][0].values()))
    assert average.dtype == torch.complex64


@pytest.mark.parametrize(
    "recipe", ["L2", "WeightDecay", "MaxNorm", "ClipNorm", "SAM", "EMA", "WeightNorm", "BatchNorm"]
)
def test_pieces_of_parameters_are_refused(recipe: str) -> None:
    model = in_pieces()
    with pytest.raises(
        ValueError, match=r"cannot act on 0\.weight of Linear, which is a TwoTensor, a piece of a parameter"
    ):
        attach(model, torch.optim.SGD(model.parameters(), lr=0.1), recipe)


def test_a_flat_parameter_of_fsdp_is_a_piece() -> None:
    model = nn.Linear(3, 2)
    setattr(model.weight, "_is_flat_param", True)  # noqa: B010 - torch marks it so and declares nothing
    with pytest.raises(ValueError, match=r"cannot act on weight of Linear, which is a Parameter, a piece"):
        attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "EMA")


def test_types_too_short_to_compute_with_are_refused() -> None:
    model = nn.Linear(3, 2)
    model.weight = nn.Parameter(model.weight.detach().to(torch.float8_e4m3fn))
    with pytest.raises(ValueError, match=r"weight of Linear, which is of type torch\.float8_e4m3fn"):
        attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "L2")


def test_whole_numbers_are_frozen() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    model[0].register_parameter("codes", nn.Parameter(torch.zeros(3, 3, dtype=torch.int8), requires_grad=False))
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "L2 + EMA")
    assert "frozen, so left alone: 0.codes" in handle.notes


@pytest.mark.parametrize(
    "recipe", ["GradientNoise(spread=1.0)", "ShrinkPerturb", "L2(strength=0.5)", "GradientCentralization"]
)
def test_the_vector_of_padding_rests(recipe: str) -> None:
    model = Words(padding=0)
    with torch.no_grad():
        model.table.weight[0] = torch.tensor([1.0, 2.0, 3.0])
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), recipe, loss=CRITERION, steps=4)
    before = model.table.weight.detach().clone()
    for _ in range(4):
        handle.step(*words())
    assert torch.equal(model.table.weight[0], torch.tensor([1.0, 2.0, 3.0]))
    assert not torch.equal(model.table.weight[1:], before[1:])


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize("recipe", ["MaxNorm", "GroupLasso", "L2", "AdaptiveClip", "WeightNorm"])
def test_parameters_without_numbers_are_no_obstacle(recipe: str) -> None:
    model = nn.Sequential(nn.Linear(0, 3), nn.Linear(3, 2))
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), recipe, loss=CRITERION)
    assert handle.step(torch.zeros(4, 0), torch.zeros(4).long()).isfinite()
    assert all(bool(each.isfinite().all()) for each in model.parameters())


def units_of(weight: Tensor, groups: int) -> Tensor:
    """A transposed convolution's weight (inputs, outputs of a group, ...) as (outputs, inputs of a group, ...)."""
    return torch.cat([each.transpose(0, 1) for each in weight.chunk(groups)])


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolutions_have_their_units_in_groups(groups: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.ConvTranspose1d(4, 6, 3, groups=groups), nn.Flatten(), nn.Linear(42, 2))
    before = units_of(weight_of(model, "0").detach().clone(), groups)
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.0), "MaxNorm(limit=0.5)", loss=CRITERION)
    handle.step(torch.randn(4, 4, 5), torch.tensor([0, 1, 0, 1]))
    lengths = torch.linalg.vector_norm(before, dim=(1, 2), keepdim=True)
    after = units_of(weight_of(model, "0").detach(), groups)
    torch.testing.assert_close(after, before / (lengths / 0.5).clamp(min=1))
    handle.detach()
    attach(model, handle.optimizer, "WeightStandardization(on='0.weight')")
    acting = units_of(weight_of(model, "0").detach(), groups).flatten(1)
    torch.testing.assert_close(acting.mean(1), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(acting.var(1, correction=0), torch.ones(6), atol=1e-3, rtol=0)


def test_a_linear_layer_that_keeps_its_inputs_first_has_its_units_on_the_second_axis(transformers: Any) -> None:
    layer = transformers.pytorch_utils.Conv1D(4, 6)
    model = nn.Sequential(layer, nn.Linear(4, 2))
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.0), "MaxNorm(limit=0.01)", loss=CRITERION)
    handle.step(torch.randn(4, 6), torch.tensor([0, 1, 0, 1]))
    torch.testing.assert_close(layer.weight.norm(dim=0), torch.full((4,), 0.01))
