"""Parameters and gradients of few digits: what is computed of them is what float64 gives, rounded once or twice."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bridle.attaching import attach
from bridle.places import Ascent, Gradient, Loss, Weight
from bridle.recipe import Recipe
from bridle.regularizers import CATALOG

ON_PARAMETERS = [name for name, leaf in CATALOG.items() if issubclass(leaf, Loss | Gradient | Weight | Ascent)]
SIZE, LARGE = 64, 1500.0  # SIZE · LARGE, the length of a weight, is more than float16 holds; so is LARGE squared


def stepped(name: str, dtype: torch.dtype) -> torch.Tensor:
    """What becomes of a large weight by a large gradient; the weight, and its gradient, as it was stepped with."""
    random = torch.Generator().manual_seed(0)
    model = nn.Linear(SIZE, SIZE, bias=False).to(dtype)
    size = 1.0 if name == "Orthogonality" else LARGE  # its gradient grows with the cube of the weights
    numbers = (torch.randn(3, SIZE, SIZE, generator=random) * size).half().bfloat16().to(dtype)
    with torch.no_grad():
        model.weight.copy_(numbers[0])
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.125), CATALOG[name](), steps=10, seed=0)
    for gradient in numbers[1:]:
        model.weight.grad = gradient.clone()
        model(torch.zeros(2, SIZE, dtype=dtype))
        handle.ascend(lambda: setattr(model.weight, "grad", model.weight.detach() / 2))
        handle.optimizer.step()
    assert model.weight.grad is not None
    return torch.stack([model.weight.detach(), model.weight.grad]).double()


@pytest.mark.parametrize("name", ON_PARAMETERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_step_in_few_digits_is_that_in_float64(name: str, dtype: torch.dtype) -> None:
    exact, short = stepped(name, torch.float64), stepped(name, dtype)
    assert short.isfinite().all()
    apart = (short - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    assert apart.max() < 4 * torch.finfo(dtype).eps


@pytest.mark.parametrize("recipe", ["ClipNorm(limit=1.0)", "AdaptiveClip(limit=0.01)"])
def test_a_gradient_whose_length_no_float16_holds_is_shortened_not_lost(recipe: str) -> None:
    model = nn.Linear(100, 100, bias=False).half()
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=1.0), Recipe.of(recipe))
    with torch.no_grad():
        model.weight.fill_(1.0)
    model.weight.grad = torch.full((100, 100), 1000.0).half()  # of the length 100,000
    handle.optimizer.step()
    torch.testing.assert_close(model.weight.grad.float(), torch.full((100, 100), 1e-2), rtol=1e-3, atol=0)


def test_a_bfloat16_gradient_is_shortened_whose_square_is_out_of_range() -> None:
    model = nn.Linear(10, 10, bias=False).bfloat16()
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=1.0), "ClipNorm(limit=1.0)")
    model.weight.grad = torch.full((10, 10), 1e30, dtype=torch.bfloat16)
    handle.optimizer.step()
    torch.testing.assert_close(model.weight.grad.float(), torch.full((10, 10), 0.1), rtol=1e-2, atol=0)
