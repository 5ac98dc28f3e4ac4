"""The attached model compiled, and in several processes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from loops import CRITERION, adam, compiled, data, perceptron, weights
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from bridle.attaching import Handle, attach

EXACT = (
    "L2(strength=0.01) + ActivityL1(strength=0.1) + SAM(radius=0.1) + ClipNorm(limit=0.1) + WeightDecay(strength=0.5)"
    " + MaxNorm + EMA"
)
NOISY = (
    "Mixup + Dropout(rate=0.3) + BatchNorm + DropConnect(rate=0.2) + RDrop + GradientNoise + ShrinkPerturb(every=0.2)"
)


def start(recipe: str, **keywords: Any) -> Handle:
    model = perceptron()
    return attach(model, adam(model), recipe, loss=CRITERION, steps=20, **keywords)


@pytest.mark.filterwarnings("ignore")  # the compiler warns of what it does itself
@pytest.mark.parametrize(
    ("recipe", "whole"),
    [
        ("Dropout(rate=linear(0.0, 0.5)) + BatchNorm + L2 + EMA", True),
        ("WeightNorm + SpectralNorm + ActivityL1 + ConfidencePenalty", True),
        ("RDrop + SAM + Dropout(rate=0.2) + GroupNorm(groups='2')", False),
    ],
)
def test_a_compiled_model_trains_the_same_and_is_compiled_once(recipe: str, whole: bool) -> None:
    losses = []
    for compiles in (False, True):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        torch.manual_seed(0)
        handle = start(recipe)
        model = compiled(handle.model, "aot_eager", fullgraph=whole) if compiles else None
        losses.append([handle.step(*data(), model=model).item() for _ in range(4)])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.filterwarnings("ignore")  # the compiler warns of what it does itself
def test_the_noise_of_a_seed_is_the_same_in_a_compiled_model() -> None:
    torch._dynamo.reset()
    plain, handle = (start("Dropout(rate=0.3) + EMA", seed=3) for _ in range(2))
    fast = compiled(handle.model, "aot_eager")
    for _ in range(3):
        expected = plain.step(*data()).item()
        assert handle.step(*data(), model=fast).item() == pytest.approx(expected, rel=1e-5)


def test_attach_takes_a_compiled_model_for_what_it_was() -> None:
    model = perceptron()
    handle = attach(compiled(model, "aot_eager"), adam(model), "Dropout(rate=0.3)")
    assert handle.model is model


def test_a_model_that_is_wrapped_already_gets_a_sentence() -> None:
    model = nn.DataParallel(perceptron())
    with pytest.raises(ValueError, match="attach the recipe to the model first, then wrap that in DataParallel"):
        attach(model, adam(model), "L2")


def shares(rank: int, rendezvous: str, recipe: str, seed: int | None, folder: str) -> None:
    """One of two processes: trains on its half of the rows and leaves its weights behind."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    torch.manual_seed(rank)
    handle = start(recipe, seed=seed)
    model = DistributedDataParallel(handle.model)
    x, y = data()
    noise = []
    for _ in range(5):
        handle.step(x[rank::2], y[rank::2], model=model)
        noise.append(torch.rand(1))
    with handle.averaged() as averaged:
        torch.save([weights(averaged), handle.model(x).detach()], Path(folder) / str(rank))
    dist.destroy_process_group()


def in_two_processes(recipe: str, seed: int | None = None) -> list[list[Tensor]]:
    with tempfile.TemporaryDirectory() as folder:
        spawn(shares, args=(f"file://{folder}/meet", recipe, seed, folder), nprocs=2)
        return [torch.load(Path(folder) / str(rank)) for rank in range(2)]


@pytest.mark.slow
def test_two_processes_train_as_one_on_all_rows() -> None:
    one, other = in_two_processes(EXACT)
    assert torch.equal(one[0], other[0])
    alone = start(EXACT)
    for _ in range(5):
        alone.step(*data())
    with alone.averaged() as model:
        torch.testing.assert_close(one[0], weights(model), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 3])
def test_noise_on_parameters_is_the_same_in_all_processes_and_that_on_rows_is_not(seed: int | None) -> None:
    one, other = in_two_processes(NOISY, seed)
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[1], other[1])
