"""``decayed-sparse-embedding``: which optimizers refuse the decay, and which do nothing."""

import pytest
import torch
from probing import probed
from torch import nn

RULE = "decayed-sparse-embedding"


def found_with(make, *, sparse=True, **options):
    """What is found in an embedding whose group has some options."""
    model = nn.Sequential(nn.Embedding(20, 4, sparse=sparse), nn.Linear(4, 2))
    groups = [{"params": model[0].parameters(), **options}, {"params": model[1].parameters()}]
    return probed(RULE, model, optimizer=make(groups, lr=0.1))


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adagrad])
def test_optimizers_that_fail_at_the_first_step_are_named(make):
    (found,) = found_with(make, weight_decay=0.1)
    assert found.where == "0.weight"
    assert f"makes {make.__name__} fail at the first step" in found.message


def test_an_optimizer_that_ignores_the_decay_is_named():
    (found,) = found_with(torch.optim.SparseAdam, weight_decay=0.1)
    assert "SparseAdam takes 0 of them" in found.message


def test_without_decay_or_without_sparse_gradients_there_is_nothing():
    assert found_with(torch.optim.SGD, weight_decay=0.0) == []
    assert found_with(torch.optim.SparseAdam) == []
    assert found_with(torch.optim.SGD, sparse=False, weight_decay=0.1) == []


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adagrad])
def test_the_step_does_fail(make):
    table = nn.Embedding(20, 4, sparse=True)
    optimizer = make(table.parameters(), lr=0.1, weight_decay=0.1)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="sparse"):
        optimizer.step()
