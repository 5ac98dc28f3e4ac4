"""The end: the model that was evaluated is handed over, and needs neither the recipe nor bridle."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from loops import CRITERION, adam, attached, compiled, data, outputs, perceptron, train
from torch import Tensor, nn

from bridle.attaching import Handle, attach
from bridle.networks import Residual
from bridle.regularizers import CATALOG
from own_layers import Block

WITHIN = {torch.float32: 1e-5, torch.float64: 1e-10}
SIZE, CLASSES = 6, 3


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(1, 8, 3, padding=1), Block(8)
        self.up = nn.ConvTranspose2d(8, 8, 2, groups=4)
        self.branch = Residual(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = self.up(self.block(torch.relu(self.stem(x))))
        return self.head(self.branch(h.mean((2, 3))))


class Attentive(nn.Module):
    """Sequences: an attention by hand, and an encoder of torch's, whose fast path reads the weights of its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(SIZE, 8)
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True), 1)
        self.branch = Residual(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x.flatten(1, 2))
        h = self.norm(h + (self.query(h) @ self.key(h).mT).softmax(-1) @ self.value(h))
        return self.head(self.branch(self.encoder(h)).mean(1))


def flat() -> nn.Module:
    branch = Residual(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)))
    return nn.Sequential(nn.Flatten(), nn.Linear(SIZE**2, 8, bias=False), nn.ReLU(), branch, nn.Linear(8, CLASSES))


def rows(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(48, 1, SIZE, SIZE, generator=random, dtype=torch.float64).to(dtype)
    return x, torch.randint(0, CLASSES, (48,), generator=random)


def trained(make: Any, recipe: Any, dtype: torch.dtype, steps: int = 6) -> Handle:
    torch.manual_seed(1)
    model = make().to(dtype)
    handle = attach(model, adam(model), recipe, loss=CRITERION, steps=steps)
    x, y = rows(dtype)
    for step in range(steps):
        handle.step(x[step % 3 * 16 :][:16], y[step % 3 * 16 :][:16])
        if step % 2:
            handle.stop(float(step))
    return handle


def check_finished(handle: Handle, x: Tensor, within: float) -> nn.Module:
    """The finished model gives out what was evaluated, holds nothing of bridle, and is trained on by its optimizer."""
    model, optimizer = handle.model, handle.optimizer
    with handle.averaged([x, x[:20]]):
        if handle.parts.stopping.best:
            handle.restore_best()
        evaluated = outputs(model, x)
    modes = model.training
    assert handle.finish() is model and model.training == modes
    torch.testing.assert_close(outputs(model, x), evaluated, rtol=within, atol=within)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert not any(type(part).__module__.startswith("bridle.places") for part in model.modules())
    assert not any("recipe_" in name or "parametrizations" in name for name in model.state_dict())
    assert not optimizer._optimizer_step_pre_hooks and not optimizer._optimizer_step_post_hooks
    held = [each for group in optimizer.param_groups for each in group["params"]]
    assert len(held) == len({*held}) and {*held} == {*model.parameters()}
    assert all(each.requires_grad for each in held)
    CRITERION(model(x), torch.zeros(len(x), dtype=torch.long)).backward()
    optimizer.step()
    return model


@pytest.mark.parametrize("make", [flat, Convolutional, Attentive])
@pytest.mark.parametrize("name", [name for name in CATALOG if name != "SnapshotEnsemble"])
def test_the_finished_model_gives_out_what_was_evaluated(make: Any, name: str) -> None:
    for dtype, within in WITHIN.items():
        check_finished(trained(make, CATALOG[name](), dtype), rows(dtype)[0], within)


PAIRS = [
    f"{one} + {other}"
    for one, other in itertools.combinations(
        ["BatchNorm", "LayerNorm", "GhostBatchNorm(at='all', parts='2')", "WeightNorm", "SpectralNorm", "EMA"], 2
    )
] + [
    "BatchNorm(at='all') + SWA + WeightStandardization",
    "GroupNorm(groups='2') + DropConnect + Lookahead(period=4) + EarlyStopping",
    "BatchNorm(eps=linear(0.1, 0.2)) + Dropout(rate=0.1) + RMSNorm + EMA(decay=0.5)",
]


@pytest.mark.parametrize("recipe", PAIRS)
def test_several_at_one_place_end_together(recipe: str) -> None:
    for make in (flat, Convolutional, Attentive):
        check_finished(trained(make, recipe, torch.float64), rows(torch.float64)[0], 1e-10)


def test_batch_norms_are_folded_and_the_names_are_the_models_own() -> None:
    model = perceptron()
    handle = attach(model, adam(model), "BatchNorm + WeightNorm + Dropout + EMA", loss=CRITERION)
    train(handle, 5)
    assert repr(handle.finish()) == repr(perceptron())
    other = perceptron(1)
    other.load_state_dict(model.state_dict())
    assert torch.equal(outputs(other, data()[0]), outputs(model, data()[0]))


def test_norms_that_stay_are_steps_of_the_sequence_and_all_else_keeps_its_name() -> None:
    handle = attached("LayerNorm")
    train(handle, 3)
    model = handle.finish()
    assert [*dict(model.named_children())] == ["0", "0_norm1", "1", "2", "2_norm2", "3", "4"]
    assert type(model.get_submodule("0_norm1")) is nn.LayerNorm
    assert {*perceptron().state_dict()} < {*model.state_dict()}


def with_norm() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def test_statistics_that_were_measured_are_those_of_the_finished_model() -> None:
    x, _ = data()
    for batches in ([x[:20], x[20:]], None):
        model = with_norm()
        handle = attach(model, adam(model), "SWA(start=0.5, every=0)", loss=CRITERION, steps=8)
        train(handle, 8)
        with handle.averaged([x[:20], x[20:]]):
            evaluated = outputs(model, x)
        handle.finish(batches)
        assert torch.equal(outputs(model, x), evaluated)


def test_the_best_epoch_has_the_statistics_with_which_it_was_evaluated() -> None:
    x, _ = data()
    model = with_norm()
    handle = attach(model, adam(model), "SWA(start=0.0, every=0) + EarlyStopping", loss=CRITERION, steps=8)
    train(handle, 4)
    with handle.averaged([x[:20], x[20:]]):
        evaluated = outputs(model, x)
    handle.stop(0.5)
    train(handle, 4)
    handle.stop(0.7)
    assert not torch.equal(outputs(model, x), evaluated)
    handle.finish()
    assert torch.equal(outputs(model, x), evaluated)


def test_an_optimizer_with_names_has_those_of_the_new_parameters() -> None:
    model = nn.Sequential(nn.Linear(6, 8, bias=False), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.AdamW(model.named_parameters(), weight_decay=0.1)
    handle = attach(model, optimizer, "BatchNorm + LayerNorm + WeightDecay(strength=0.2)", loss=CRITERION)
    train(handle, 3)
    handle.finish()
    named = dict(model.named_parameters())
    assert len(optimizer.param_groups) == 1 and optimizer.param_groups[0]["weight_decay"] == 0.1
    assert {*optimizer.param_groups[0]["param_names"]} == {*named}
    assert [*map(id, optimizer.param_groups[0]["params"])] == [
        id(named[name]) for name in optimizer.param_groups[0]["param_names"]
    ]


def test_an_ensemble_is_not_one_model() -> None:
    handle = attached("SnapshotEnsemble(cycles=2)")
    train(handle, 100)
    with pytest.raises(ValueError, match=r"2 networks that predict together.*within handle\.averaged\(\)"):
        handle.finish()
    with handle.averaged():
        outputs(handle.model, data()[0])


def test_a_handle_is_of_no_use_once_it_is_finished() -> None:
    handle = attached("BatchNorm + EMA")
    with handle.averaged(), pytest.raises(RuntimeError, match=r"leave handle\.averaged\(\)"):
        handle.finish()
    handle.finish()
    for use in (handle.finish, handle.detach, handle.penalty, handle.restore_best):
        with pytest.raises(RuntimeError, match="was finished"):
            use()


ALONE = """
import sys
sys.modules["bridle"] = None  # whoever imports it fails
import torch
from torch import nn
folder = sys.argv[1]
plain = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
plain.load_state_dict(torch.load(f"{folder}/state.pt", weights_only=True))
whole = torch.load(f"{folder}/whole.pt", weights_only=False)
x, folded, normed, images = torch.load(f"{folder}/outputs.pt", weights_only=True)
assert torch.equal(plain.eval()(x), folded)
assert torch.equal(whole.eval()(x), normed)
pictures = torch.load(f"{folder}/images.pt", weights_only=False).eval()
assert torch.equal(pictures(x.view(-1, 1, 2, 3)), images)
pictures.train()(x.view(-1, 1, 2, 3)).sum().backward()
"""


def test_a_finished_model_is_loaded_where_there_is_no_bridle(tmp_path: Path) -> None:
    x, _ = data()
    folded = attached("BatchNorm + WeightNorm + Dropout + EMA")
    normed = attached("LayerNorm + SpectralNorm + Dropout + SWA")
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3))
    images = attach(model, adam(model), "LayerNorm + RMSNorm", loss=CRITERION)
    for handle in (folded, normed):
        train(handle, 3)
    images.step(x.view(-1, 1, 2, 3), data()[1])
    torch.save(folded.finish().state_dict(), tmp_path / "state.pt")
    torch.save(normed.finish(), tmp_path / "whole.pt")
    torch.save(images.finish(), tmp_path / "images.pt")
    outs = [outputs(folded.model, x), outputs(normed.model, x), outputs(model, x.view(-1, 1, 2, 3))]
    torch.save([x, *outs], tmp_path / "outputs.pt")
    done = subprocess.run([sys.executable, "-c", ALONE, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    copied = copy.deepcopy(model)
    assert torch.equal(outputs(copied, x.view(-1, 1, 2, 3)), outs[2])


@pytest.mark.filterwarnings("ignore")  # the compiler warns of what it does itself
@pytest.mark.parametrize("recipe", ["BatchNorm", "LayerNorm", "WeightNorm + EMA"])
def test_a_compiled_model_is_the_finished_one_too(recipe: str) -> None:
    torch._dynamo.reset()
    handle = attached(recipe)
    fast = compiled(handle.model)
    for _ in range(3):
        handle.step(*data(), model=fast)
    x, _ = data()
    with handle.averaged():
        evaluated = outputs(fast, x)
    model = handle.finish()
    torch.testing.assert_close(outputs(fast, x), evaluated)
    torch.testing.assert_close(outputs(model, x), evaluated)


def test_a_recipe_that_stops_and_was_never_asked_says_so() -> None:
    handle = attached("EarlyStopping + EMA")
    train(handle, 3)
    with handle.averaged() as model:
        evaluated = outputs(model, data()[0])
    with pytest.warns(UserWarning, match="was never asked, so no epoch is the best"):
        handle.finish()
    assert torch.equal(outputs(handle.model, data()[0]), evaluated)
