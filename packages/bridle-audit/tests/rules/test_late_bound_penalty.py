"""``late-bound-penalty``: what late binding does to the penalties of a list, and functions that do not suffer of it."""

import pytest
import torch
from probing import read
from torch import nn

RULE = "late-bound-penalty"


def gradients(penalties, layers):
    """How long the gradient of all penalties is for each layer."""
    for layer in layers:
        layer.zero_grad()
    sum(each() for each in penalties).backward()
    return [0.0 if layer.weight.grad is None else layer.weight.grad.norm().item() for layer in layers]


def test_the_last_of_three_layers_has_the_penalty_three_times():
    layers = [nn.Linear(4, 4) for _ in range(3)]
    late, early = [], []
    for layer in layers:
        late.append(lambda: layer.weight.square().sum())  # noqa: B023  the mistake itself
        early.append(lambda layer=layer: layer.weight.square().sum())
    right = gradients(early, layers)
    assert right == pytest.approx([2 * layer.weight.norm().item() for layer in layers])
    assert gradients(late, layers) == pytest.approx([0.0, 0.0, 3 * right[2]])
    assert not torch.equal(layers[0].weight, layers[2].weight)


@pytest.mark.parametrize(
    "text",
    [
        "for layer in layers:\n    penalties.append(lambda: layer.weight.norm())",
        "for i, layer in enumerate(layers):\n    model.add_loss(lambda: l2(layer.kernel))",
        "penalties = [lambda: w.weight.pow(2).sum() for w in layers]",
        "penalties = [lambda: p.square().sum() for p in model.parameters()]",
        "for layer in layers:\n    def penalty():\n        return layer.weight.norm()\n    penalties.append(penalty)",
    ],
)
def test_functions_that_look_the_loops_variable_up_later_are_found(text):
    (found,) = read(RULE, f"import torch\nlayers, penalties = [], []\n{text}\n")
    assert "is that of the last" in found.message


@pytest.mark.parametrize(
    "text",
    [
        "for layer in layers:\n    penalties.append(lambda layer=layer: layer.weight.norm())",
        "for layer in layers:\n    penalties.append(partial(norm, layer))",
        "for layer in layers:\n    total = (lambda: layer.weight.norm())()",
        "for layer in layers:\n    def closure():\n        return layer.weight.norm()\n    optimizer.step(closure)",
        "for x, y in loader:\n    def closure():\n        loss = f(model(x), y) + model.weight.norm()\n"
        "        loss.backward()\n        return loss\n    optimizer.step(closure)",
        "for layer in layers:\n    hooks.append(layer.register_forward_hook(lambda m, i, o: print(layer)))",
        "names = sorted(layers, key=lambda layer: layer.weight.norm())",
        "def make(layer):\n    return lambda: layer.weight.norm()\npenalties = [make(each) for each in layers]",
    ],
)
def test_functions_that_are_bound_or_called_at_once_are_not(text):
    assert read(RULE, f"import torch\nlayers, penalties, hooks = [], [], []\n{text}\n") == []
