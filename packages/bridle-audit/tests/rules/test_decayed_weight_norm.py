"""``decayed-weight-norm``: directions that decay, in both interfaces of torch, and what is left alone."""

import warnings
from typing import Any

import pytest
import torch
from probing import probed
from torch import nn
from torch.nn.utils import parametrizations

RULE = "decayed-weight-norm"
BATCH = (torch.randn(8, 4), torch.arange(8) % 2)


def old(make):
    """One of torch's former functions, which warn that they are old."""

    def made(layer):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make(layer)

    return made


KINDS = {
    "weight_norm": (parametrizations.weight_norm, "0.parametrizations.weight.original1"),
    "spectral_norm": (parametrizations.spectral_norm, "0.parametrizations.weight.original"),
    "former weight_norm": (old(nn.utils.weight_norm), "0.weight_v"),
    "former spectral_norm": (nn.utils.spectral_norm, "0.weight_orig"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_batch", [True, False])
def test_directions_in_a_group_that_decays_are_found(kind, with_batch):
    make, name = KINDS[kind]
    model = nn.Sequential(make(nn.Linear(4, 8)), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-2)
    (found,) = probed(RULE, model, batch=BATCH if with_batch else None, optimizer=optimizer)
    assert found.where == name
    assert found.numbers["share lost per step"] == pytest.approx(1e-3)
    assert ("twice as long" in found.message) == with_batch


@pytest.mark.parametrize("kind", KINDS)
def test_doubling_a_direction_changes_nothing(kind):
    make, name = KINDS[kind]
    model = nn.Sequential(make(nn.Linear(4, 8)), nn.ReLU(), nn.Linear(8, 2)).eval()
    before = model(BATCH[0])
    with torch.no_grad():
        dict(model.named_parameters())[name].mul_(2)
    assert torch.allclose(model(BATCH[0]), before, rtol=1e-4, atol=1e-5)


def test_without_decay_on_it_there_is_nothing():
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 8)), nn.ReLU(), nn.Linear(8, 2))
    rest = [p for name, p in model.named_parameters() if not name.endswith("original1")]
    held = [p for name, p in model.named_parameters() if name.endswith("original1")]
    groups: list[dict[str, Any]] = [{"params": rest, "weight_decay": 0.01}, {"params": held}]
    assert probed(RULE, model, batch=BATCH, optimizer=torch.optim.SGD(groups, lr=0.1)) == []


def test_other_parametrizations_are_left_alone():
    model = nn.Sequential(parametrizations.orthogonal(nn.Linear(4, 4)), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-2)
    assert probed(RULE, model, batch=BATCH, optimizer=optimizer) == []
