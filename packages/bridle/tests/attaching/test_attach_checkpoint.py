"""Under activation checkpointing a step is what it is without: parts that are run again see what they saw first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from loops import CRITERION, data
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bridle.attaching import attach

WAYS = [True, False]  # whether reentrant


class Net(nn.Module):
    """Layers of which two, or all three, are run again; ``way`` is how."""

    def __init__(self, way: bool | None, *, nested: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.way, self.nested = way, nested

    def again(self, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        if self.way is None:
            return run(x)
        found: Tensor = checkpoint(run, x, use_reentrant=self.way)
        return found

    def inner(self, x: Tensor) -> Tensor:
        return self.b(x).relu()

    def outer(self, x: Tensor) -> Tensor:
        h = self.a(x).relu()
        return self.again(self.inner, h) if self.nested else self.inner(h)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.again(self.outer, x.clone().requires_grad_()))


def trained(recipe: str, way: bool | None, *, seed: int | None = 1, batches: int = 1, **keywords: Any) -> Any:
    model = Net(way, **keywords)
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), recipe, loss=CRITERION, seed=seed)
    torch.manual_seed(3)
    x, y = data()
    for _ in range(3):
        handle.optimizer.zero_grad()
        losses = [CRITERION(model(part), target) + handle.penalty() for part, target in small(x, y, batches)]
        torch.stack(losses).mean().backward()
        handle.ascend(lambda: torch.stack([CRITERION(model(x), y) + handle.penalty()]).mean())
        handle.optimizer.step()
    return {name: each.detach().clone() for name, each in model.state_dict().items()}


def small(x: Tensor, y: Tensor, batches: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(x.chunk(batches), y.chunk(batches), strict=True))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "recipe",
    ["ActivityL2(strength=0.5)", "ActivityL1(strength=0.5) + Dropout(rate=0.3)", "RDrop + Dropout(rate=0.3)",
     "BatchNorm", "GhostBatchNorm(parts='4')", "SpectralNorm", "DropConnect(rate=0.3)",
     "SpectralNorm + RDrop + Dropout(rate=0.2) + ActivityL2(strength=0.1)"],
)  # fmt: skip
def test_a_step_is_that_without_checkpoints(recipe: str, way: bool) -> None:
    torch.testing.assert_close(trained(recipe, way), trained(recipe, None))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("recipe", ["BatchNorm + ActivityL2(strength=0.5)", "RDrop + Dropout(rate=0.3)"])
def test_with_torchs_own_noise_and_norms(recipe: str, way: bool) -> None:
    torch.testing.assert_close(trained(recipe, way, seed=None), trained(recipe, None, seed=None))


@pytest.mark.parametrize("recipe", ["Dropout(rate=0.3)", "SpectralNorm", "ActivityL2(strength=0.5)"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore:None of the inputs")  # the inner run of a reentrant one has no graph
def test_a_checkpoint_within_a_checkpoint(recipe: str, way: bool) -> None:
    torch.testing.assert_close(trained(recipe, way, nested=True), trained(recipe, None))


@pytest.mark.parametrize("way", WAYS)
def test_two_passes_before_one_backward_have_each_their_own_noise(way: bool) -> None:
    recipe = "Dropout(rate=0.3) + RDrop + ActivityL2(strength=0.3)"
    torch.testing.assert_close(trained(recipe, way, batches=2), trained(recipe, None, batches=2))


@pytest.mark.parametrize("way", WAYS)
def test_an_ascent_under_checkpoints(way: bool) -> None:
    recipe = "SAM(radius=0.1) + ActivityL2(strength=0.3) + Dropout(rate=0.3)"
    torch.testing.assert_close(trained(recipe, way), trained(recipe, None))


def test_a_whole_model_that_is_run_again_begins_no_other_batch() -> None:
    found = []
    for way in (None, False):
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        with torch.no_grad():
            for each in model.parameters():
                each.fill_(0.1)
        handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "Dropout(rate=0.5) + ActivityL2", seed=0)
        for _ in range(3):
            x, y = data()
            out = model(x) if way is None else checkpoint(model, x, use_reentrant=way)
            (CRITERION(out, y) + handle.penalty()).backward()
            handle.optimizer.step()
        found.append(torch.cat([each.detach().flatten() for each in model.parameters()]))
    torch.testing.assert_close(found[1], found[0])


def test_a_penalty_that_comes_behind_its_activations_gets_a_sentence() -> None:
    model = Net(True)
    handle = attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "ActivityL2")
    x, y = data()
    loss = CRITERION(model(x), y)
    handle.penalty()
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        loss.backward()


class Twice(torch.autograd.Function):
    """Runs a function again within backward, as torch's checkpoint does, but is another one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Any) -> Tensor:
        ctx.run = run
        ctx.save_for_backward(x)
        out: Tensor = run(x)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            torch.autograd.backward(ctx.run(x), gradient)
        return x.grad, None


def test_a_checkpoint_that_is_not_torchs_is_refused() -> None:
    model = Net(None)
    attach(model, torch.optim.SGD(model.parameters(), lr=0.1), "Dropout", seed=0)
    x, y = data()
    loss = CRITERION(model.c(Twice.apply(x.requires_grad_(), model.outer)), y)
    with pytest.raises(RuntimeError, match=r"torch\.utils\.checkpoint alone"):
        loss.backward()
