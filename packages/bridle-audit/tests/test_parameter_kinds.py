"""What a parameter is, for the ledger, the engine and attach alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from bridle import ledger
from bridle.parameter_selection import parameter_description
from bridle_audit.parameter_kinds import ParameterKind, parameter_kind, parametrized_weight
from own_layers import Doubled, LayerNormRMS, Members, NormedLinear


class Scaled(nn.Module):
    """Scales and shifts what each member of an ensemble sees, and mixes the members."""

    def __init__(self, members: int, units: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(members, units))
        self.shift = nn.Parameter(torch.zeros(members, units))
        self.mixing = nn.Parameter(torch.eye(members))


def doubled(layer: nn.Module) -> nn.Module:
    return parametrize.register_parametrization(layer, "weight", Doubled())


def kinds(model: nn.Module) -> dict[str, ParameterKind]:
    modules = dict(model.named_modules())
    return {name: parameter_kind(modules, name, each) for name, each in model.named_parameters()}


def axes(model: nn.Module) -> dict[str, int]:
    modules = dict(model.named_modules())
    return {name: parameter_description(modules, name, each).axes for name, each in model.named_parameters()}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (nn.LayerNorm([4, 8]), {"weight": ParameterKind.SCALE, "bias": ParameterKind.SHIFT}),
        (nn.RMSNorm([4, 8]), {"weight": ParameterKind.SCALE}),
        (nn.BatchNorm2d(3), {"weight": ParameterKind.SCALE, "bias": ParameterKind.SHIFT}),
        (LayerNormRMS((3, 4)), {"scale": ParameterKind.SCALE, "beta": ParameterKind.SHIFT}),
        (NormedLinear(3, 4), {"weight": ParameterKind.MATRIX}),
        (
            Members(2, 3, 4),
            {
                "weight": ParameterKind.MATRIX,
                "bias": ParameterKind.BIAS,
                "gate": ParameterKind.VECTOR,
                "r": ParameterKind.MATRIX,
            },
        ),
        (Scaled(2, 3), {"scale": ParameterKind.VECTOR, "shift": ParameterKind.VECTOR, "mixing": ParameterKind.MATRIX}),
        (nn.Linear(3, 1), {"weight": ParameterKind.MATRIX, "bias": ParameterKind.BIAS}),
        (nn.Conv1d(1, 1, 1), {"weight": ParameterKind.MATRIX, "bias": ParameterKind.BIAS}),
        (nn.Embedding(5, 2), {"weight": ParameterKind.EMBEDDING}),
        (nn.PReLU(3), {"weight": ParameterKind.VECTOR}),
        (
            nn.LSTM(2, 1),
            {
                "weight_ih_l0": ParameterKind.MATRIX,
                "weight_hh_l0": ParameterKind.MATRIX,
                "bias_ih_l0": ParameterKind.BIAS,
                "bias_hh_l0": ParameterKind.BIAS,
            },
        ),
    ],
)
def test_a_parameter_is_what_its_layer_makes_of_it(model: nn.Module, expected: dict[str, ParameterKind]) -> None:
    assert kinds(model) == expected
    vectors = {name for name, kind in expected.items() if kind.is_vector}
    assert {name for name, count in axes(model).items() if count < 2} == vectors


def test_attention_has_biases_under_other_names() -> None:
    found = kinds(nn.MultiheadAttention(4, 2, add_bias_kv=True))
    assert {name for name, kind in found.items() if kind is ParameterKind.BIAS} == {
        "in_proj_bias",
        "out_proj.bias",
        "bias_k",
        "bias_v",
    }


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize(
    ("make", "by", "scales"),
    [
        (parametrizations.weight_norm, "weight_norm", {"parametrizations.weight.original0"}),
        (nn.utils.weight_norm, "weight_norm", {"weight_g"}),
        (parametrizations.spectral_norm, "spectral_norm", set()),
        (nn.utils.spectral_norm, "spectral_norm", set()),
        (parametrizations.orthogonal, "orthogonal by householder", set()),
        (partial(parametrizations.orthogonal, orthogonal_map="cayley"), "orthogonal by cayley", set()),
        (doubled, "Doubled", set()),
    ],
)
def test_what_a_parametrization_makes_a_weight_of(
    make: Callable[[nn.Module], nn.Module], by: str, scales: set[str]
) -> None:
    holder = nn.Sequential(make(nn.Linear(3, 4)))
    modules, names = dict(holder.named_modules()), [name for name, _ in holder.named_parameters()]
    origins = {name: origin for name in names if (origin := parametrized_weight(modules, name))}
    assert set(origins) == {name for name in names if name != "0.bias"}
    assert {(each.weight, each.by) for each in origins.values()} == {("0.weight", by)}
    assert {name for name, kind in kinds(holder).items() if kind is ParameterKind.SCALE} == {
        f"0.{each}" for each in scales
    }
    assert {parameter_description(modules, name, each).layer for name, each in holder.named_parameters()} == {"Linear"}


def test_pruned_weights_are_weights() -> None:
    model = prune.l1_unstructured(nn.Linear(3, 4), "weight", 0.5)
    assert parametrized_weight({"": model}, "weight_orig") is None
    assert kinds(model)["weight_orig"] is ParameterKind.MATRIX


def test_the_ledger_says_the_same() -> None:
    model = nn.Sequential(Members(2, 3, 4), LayerNormRMS((2, 4)), parametrizations.orthogonal(nn.Linear(4, 2)))
    rows = ledger(model, torch.optim.AdamW(model.parameters())).rows
    remarks = {row.name: row.remark for row in rows}
    assert remarks["0.bias"] == "a bias" and remarks["1.scale"] == "the scale of a norm"
    assert remarks["1.beta"] == "the shift of a norm" and remarks["0.weight"] == ""
    assert remarks["2.parametrizations.weight.original"] == (
        "orthogonal by householder makes 2.weight of it, which any decay makes zero"
    )
