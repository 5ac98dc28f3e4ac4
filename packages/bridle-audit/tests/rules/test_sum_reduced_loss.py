"""``sum-reduced-loss``: sums beside decay or a penalty, and sums that are right."""

import pytest
import torch
from probing import probed, read
from torch import nn

RULE = "sum-reduced-loss"
BATCH = (torch.randn(8, 4), torch.arange(8) % 2)
SUM = nn.CrossEntropyLoss(reduction="sum")


def squares(model):
    """A penalty."""
    return 1e-3 * model.weight.square().sum()


def found_with(loss, optimizer=torch.optim.SGD, penalty=None, **settings):
    """What is found in a linear model."""
    model = nn.Linear(4, 2)
    return probed(
        RULE, model, loss, BATCH, optimizer=optimizer(model.parameters(), lr=0.1, **settings), penalty=penalty
    )


def test_a_sum_beside_decay_or_a_penalty_is_measured():
    (found,) = found_with(SUM, weight_decay=0.1)
    assert found.numbers == {"rows": 8}
    assert len(found_with(SUM, penalty=squares)) == 1
    assert len(found_with(lambda output, y: 3 * SUM(output, y), weight_decay=0.1)) == 1


def test_a_mean_or_a_sum_with_nothing_beside_it_is_fine():
    assert found_with(nn.CrossEntropyLoss(), weight_decay=0.1, penalty=squares) == []
    assert found_with(SUM) == []
    assert found_with(lambda output, y: SUM(output, y) / len(y), weight_decay=0.1) == []


def test_decay_that_does_not_meet_the_gradient_is_fine():
    assert found_with(SUM, torch.optim.AdamW, weight_decay=0.1) == []


CODE = """
import torch
from torch import nn
model = nn.Linear(4, 2)
optimizer = torch.optim.{}
criterion = nn.CrossEntropyLoss(reduction="sum")
def train(x, y):
    loss = {}
    loss.backward()
    optimizer.step()
def test(x, y):
    with torch.no_grad():
        return criterion(model(x), y).item() / len(x)
"""
SGD = "SGD(model.parameters(), lr=0.1, weight_decay=1e-4)"


@pytest.mark.parametrize(
    ("optimizer", "loss", "count"),
    [
        (SGD, "criterion(model(x), y)", 1),
        ("SGD(model.parameters(), lr=0.1)", "criterion(model(x), y) + 0.1 * model.weight.square().sum()", 1),
        ("Adam(model.parameters(), lr=0.1)", "criterion(model(x), y) + 0.1 * model.weight.square().sum()", 1),
        ("SGD(model.parameters(), lr=0.1)", "criterion(model(x), y)", 0),
        ("AdamW(model.parameters(), lr=0.1)", "criterion(model(x), y)", 0),
        (SGD, "criterion(model(x), y) / len(x)", 0),
        (SGD, "nn.functional.cross_entropy(model(x), y)", 0),
    ],
)
def test_the_text_has_to_show_a_sum_that_is_trained_on(optimizer, loss, count):
    assert len(read(RULE, CODE.format(optimizer, loss))) == count
