"""``detached-penalty``: what it claims, and which penalties have their gradient."""

import pytest
import torch
from probing import probed, read
from torch import nn

HEAD = """
import torch
from torch import nn
model = nn.Linear(4, 2)
def step(x, y):
    loss = criterion(model(x), y)
"""


def trained(penalty):
    """The weight after some steps with a penalty."""
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(16, 4), torch.arange(16) % 2
    for _ in range(20):
        optimizer.zero_grad()
        (nn.functional.cross_entropy(model(x), y) + penalty(model)).backward()
        optimizer.step()
    return model.weight.detach()


def test_with_a_detached_penalty_the_training_is_the_one_without_to_the_last_bit():
    without = trained(lambda model: 0.0)
    assert torch.equal(trained(lambda model: 0.1 * model.weight.square().sum().item()), without)
    assert not torch.equal(trained(lambda model: 0.1 * model.weight.square().sum()), without)


def test_the_number_of_a_penalty_without_a_gradient_is_told():
    model = nn.Linear(4, 2)
    found = probed("detached-penalty", model, penalty=lambda m: 2.0 * m.weight.norm().item())
    assert [each.numbers["penalty"] for each in found] == pytest.approx([2.0 * model.weight.norm().item()])


def test_a_model_with_nothing_to_train_has_no_detached_penalty():
    model = nn.Linear(4, 2).requires_grad_(False)
    assert probed("detached-penalty", model, penalty=lambda m: m.weight.square().sum()) == []


def test_a_penalty_of_another_model_is_not_judged():
    model, other = nn.Linear(4, 2), nn.Linear(4, 2)
    assert probed("detached-penalty", model, penalty=lambda m: other.weight.square().sum()) == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("loss += 0.1 * sum(p.data.norm() for p in model.parameters())", ".data"),
        ("loss += 0.1 * sum(p.norm() for p in model.parameters()).item()", ".item()"),
        ("loss += 0.1 * sum(p.norm() for p in model.state_dict().values())", ".state_dict()"),
        ("loss = loss + float(model.weight.norm())", "float(model.weight.norm())"),
    ],
)
def test_what_cuts_it_off_is_said(line, what):
    (found,) = read("detached-penalty", f"{HEAD}    {line}\n    loss.backward()\n")
    assert found.message.startswith(what + " cuts")


@pytest.mark.parametrize(
    "line",
    [
        "loss = loss + 0.1 * model.weight.norm()",
        "print(model.weight.norm().item())",
        "weight = model.weight.norm().item()",
        "loss = loss + 0.1 * model.weight.norm() / model.weight.norm().item()",
        "loss = loss / model.weight.norm().item()",
        "with torch.no_grad():\n        total = sum(p.norm() for p in model.parameters())\n    print(total)",
    ],
)
def test_numbers_for_a_log_and_for_weighing_are_none(line):
    assert read("detached-penalty", f"{HEAD}    {line}\n    loss.backward()\n") == []
