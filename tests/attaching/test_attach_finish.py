"""The end: the model that was evaluated is handed over, and needs neither the recipe nor bridle."""

from __future__ import annotations

import copy
import itertools
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from loops import CRITERION, adam, attached, data, perceptron, train, weights
from torch import Tensor, nn

from bridle.attaching import Handle, attach
from bridle.networks import Residual
from bridle.regularizers import CATALOG

WITHIN = {torch.float32: 1e-5, torch.float64: 1e-10}
SIZE, CLASSES = 6, 3


class Block(nn.Module):
    """Two convolutions, each with a norm of the model's own, and what goes around them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(1, 8, 3, padding=1), Block()
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


def outputs(model: nn.Module, x: Tensor) -> Tensor:
    """In evaluation mode."""
    training = model.training
    with torch.no_grad():
        out: Tensor = model.eval()(x)
    model.train(training)
    return out


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


def case(model: nn.Module, recipe: str, *, frozen: str = "", example: Any = None, **optimizer: Any) -> Handle:
    """Attached, with some of the numbers moved, so that nothing is the same by chance."""
    for name, each in model.named_parameters():
        each.requires_grad_(not frozen or not name.startswith(frozen))
    own = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.01)
    handle = attach(model, own, recipe, loss=lambda z, y: z.square().mean(), example=example)
    random = torch.Generator().manual_seed(3)
    for name, each in (*model.named_parameters(), *model.named_buffers()):
        if "recipe_" in name and each.is_floating_point():
            each.data.add_(torch.rand(each.shape, generator=random, dtype=each.dtype))
    return handle


def finished(handle: Handle, x: Tensor) -> nn.Module:
    """The same outputs before and after."""
    handle.step(x, x)
    evaluated = outputs(handle.model, x)
    model = handle.finish()
    torch.testing.assert_close(outputs(model, x), evaluated)
    return model


class Tied(nn.Module):
    """An autoencoder whose decoder has the weight of its encoder: as a parameter of its own, or as it reads it."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 6), nn.Linear(6, 6)
        self.reads, self.last = reads, nn.Linear(6, 3)
        if not reads:
            self.decoder.weight = self.encoder.weight

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.encoder(x))
        return self.last(nn.functional.linear(h, self.encoder.weight.T) if self.reads else self.decoder(h))


@pytest.mark.parametrize("reads", [True, False])
def test_a_weight_that_is_used_elsewhere_too_is_left_as_it_is(reads: bool) -> None:
    handle = case(Tied(reads=reads), "BatchNorm(at='encoder')")
    x = torch.randn(8, 6)
    handle.step(x, x)
    stored = handle.model.get_parameter("encoder.weight").clone()
    evaluated = outputs(handle.model, x)
    model = pickle.loads(pickle.dumps(handle.finish()))
    assert isinstance(model.encoder.norm1, nn.BatchNorm1d)
    assert torch.equal((model.encoder if reads else model.encoder.layer).weight, stored)
    assert reads or model.decoder.weight is model.encoder.layer.weight
    torch.testing.assert_close(outputs(model, x), evaluated)
    model(x).sum().backward()


def test_what_is_frozen_stays_as_it_is() -> None:
    handle = case(perceptron(), "BatchNorm", frozen="0.")
    before = handle.model[0].weight.clone()
    model = finished(handle, data()[0])
    assert torch.equal(model[0].weight, before) and not model[0].weight.requires_grad
    assert isinstance(model.get_submodule("0_norm1"), nn.BatchNorm1d)
    assert not hasattr(model, "2_norm2")


def test_a_norm_in_front_is_folded_but_where_zeros_are_put_around_its_input() -> None:
    x = torch.randn(8, 4, 6, 6)
    for convolution, folds in [
        (nn.Conv2d(4, 6, 3, padding=1), False),
        (nn.Conv2d(4, 6, 3, padding="same"), False),
        (nn.Conv2d(4, 6, 3, groups=2), True),
        (nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular", bias=False), True),
    ]:
        model = nn.Sequential(convolution, nn.Flatten(), nn.LazyLinear(3))
        model(x)
        finished(case(model, "BatchNorm(at='input')"), x)
        assert any(isinstance(part, nn.BatchNorm2d) for part in model) is not folds
    finished(case(perceptron(), "BatchNorm(at='input')"), data()[0])


@pytest.mark.parametrize("groups", [1, 2])
def test_a_norm_behind_a_transposed_convolution_is_folded(groups: int) -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 4, 1), nn.ConvTranspose2d(4, 6, 3, groups=groups), nn.Flatten(), nn.Linear(54, 3)
    )
    x = torch.randn(8, 2, 1, 1)
    finished(case(model, "BatchNorm(at='ConvTranspose2d')", example=x), x)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in model.modules())


def test_a_part_with_a_hook_or_a_forward_of_the_users_own_takes_nothing_in() -> None:
    class Doubled(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    model = nn.Sequential(Doubled(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    model[2].register_forward_hook(lambda part, inputs, out: out.square())
    finished(case(model, "BatchNorm"), data()[0])
    assert [name for name, _ in model.named_children() if "norm" in name] == ["0_norm1", "2_norm2"]


def test_a_layer_that_is_used_twice_and_one_that_a_list_holds() -> None:
    class Looped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])
            self.again, self.last = self.steps[0], nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            for step in self.steps:
                x = torch.relu(step(x))
            return self.last(torch.relu(self.again(x)))

    for recipe in ("BatchNorm", "LayerNorm"):
        model = finished(case(Looped(), recipe), data()[0])
        assert model.again is model.steps[0]


def test_steps_that_the_model_calls_one_by_one_are_not_moved() -> None:
    class Indexed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

        def forward(self, x: Tensor) -> Tensor:
            return self.body[2](self.body[1](self.body[0](x)))

    model = finished(case(Indexed(), "LayerNorm"), data()[0])
    assert len(model.body) == 3 and isinstance(model.body[0].norm1, nn.LayerNorm)


def test_a_model_that_asks_more_of_a_part_than_to_be_called_keeps_its_recipe_and_gets_a_sentence() -> None:
    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = Scaled(nn.Linear(6, 8)), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.down(self.up(torch.relu(self.up[0](x)), 2.0))

    class Scaled(nn.Sequential):
        def forward(self, x: Tensor, factor: float) -> Tensor:
            return factor * x

    handle = case(Asking(), "LayerNorm(at='up')", example=torch.ones(1, 6))
    x = data()[0]
    handle.step(x, x)
    before = {name: each.clone() for name, each in handle.model.state_dict().items()}
    with pytest.raises(ValueError, match=r"norm2 at up cannot be left in the model.*stays attached"):
        handle.finish()
    assert handle.model.state_dict().keys() == before.keys()
    assert all(torch.equal(each, before[name]) for name, each in handle.model.state_dict().items())
    handle.step(x, x)


def test_norms_stay_beside_weights_of_few_digits() -> None:
    handle = case(perceptron().bfloat16(), "BatchNorm")
    x = data(torch.bfloat16)[0]
    handle.step(x, x)
    evaluated = outputs(handle.model, x)
    model = handle.finish()
    assert isinstance(model.get_submodule("0_norm1"), nn.BatchNorm1d)
    torch.testing.assert_close(outputs(model, x), evaluated)


def test_statistics_that_were_measured_are_those_of_the_finished_model() -> None:
    x, _ = data()
    for batches in ([x[:20], x[20:]], None):
        handle = attached("LayerNorm + SWA(start=0.5, every=0)")
        handle = attach(
            model := nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)),
            adam(model),
            "SWA(start=0.5, every=0)",
            loss=CRITERION,
            steps=8,
        )
        train(handle, 8)
        with handle.averaged([x[:20], x[20:]]):
            evaluated = outputs(model, x)
        handle.finish(batches)
        assert torch.equal(outputs(model, x), evaluated)


def test_the_best_epoch_has_the_statistics_with_which_it_was_evaluated() -> None:
    x, _ = data()
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
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


@pytest.mark.parametrize("recipe", ["BatchNorm", "LayerNorm + EMA", "WeightNorm", "SpectralNorm + Dropout"])
def test_detaching_refuses_to_leave_another_network_than_was_trained(recipe: str) -> None:
    handle = attached(recipe)
    train(handle, 3)
    evaluated = outputs(handle.model, data()[0])
    with pytest.raises(RuntimeError, match=r"another one without .*handle\.finish\(\).*discard=True"):
        handle.detach()
    assert torch.equal(outputs(handle.model, data()[0]), evaluated)
    train(handle, 1)
    handle.detach(discard=True)
    assert repr(handle.model) == repr(perceptron())


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("EMA", "averaged weights are not in the model"),
        ("Lookahead(period=5)", "averaged weights are not in the model"),
        ("SnapshotEnsemble(cycles=40)", "copies of the ensemble"),
        ("EMA + EarlyStopping", "best epoch are not in the model"),
    ],
)
def test_detaching_warns_of_what_was_evaluated_and_is_not_in_the_model(recipe: str, words: str) -> None:
    handle = attached(recipe)
    train(handle, 3)
    handle.stop(1.0)
    last = weights(handle.model)
    with pytest.warns(UserWarning, match=words):
        handle.detach()
    assert torch.equal(weights(handle.model), last)


def test_detaching_is_silent_where_nothing_is_lost() -> None:
    untrained, plain, best, taken = (
        attached("BatchNorm + WeightNorm + EMA"),
        attached("Dropout + L2 + DropConnect + Mixup + ClipNorm + EarlyStopping"),
        attached("EMA + EarlyStopping"),
        attached("EMA"),
    )
    for handle in (plain, best, taken):
        train(handle, 3)
    best.stop(1.0)
    best.restore_best()
    with taken.averaged() as model:
        state = copy.deepcopy(model.state_dict())
    taken.model.load_state_dict(state)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for handle in (untrained, plain, best, taken):
            handle.detach()


@pytest.mark.filterwarnings("ignore")  # the compiler warns of what it does itself
@pytest.mark.parametrize("recipe", ["BatchNorm", "LayerNorm", "WeightNorm + EMA"])
def test_a_compiled_model_is_the_finished_one_too(recipe: str) -> None:
    torch._dynamo.reset()
    handle = attached(recipe)
    compiled = torch.compile(handle.model, backend="eager")
    for _ in range(3):
        handle.step(*data(), model=compiled)
    x, _ = data()
    with handle.averaged():
        evaluated = outputs(compiled, x)
    model = handle.finish()
    torch.testing.assert_close(outputs(compiled, x), evaluated)
    torch.testing.assert_close(outputs(model, x), evaluated)


def test_a_recipe_that_stops_and_was_never_asked_says_so() -> None:
    handle = attached("EarlyStopping + EMA")
    train(handle, 3)
    with handle.averaged() as model:
        evaluated = outputs(model, data()[0])
    with pytest.warns(UserWarning, match="was never asked, so no epoch is the best"):
        handle.finish()
    assert torch.equal(outputs(handle.model, data()[0]), evaluated)


def test_a_forward_that_is_run_past_what_stands_beside_its_part() -> None:
    class Past(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.relu(self.second(torch.relu(self.first(x)))) + self.first.forward(x))

    for recipe in ("BatchNorm", "LayerNorm"):
        handle = case(Past(), recipe)
        x = data()[0]
        handle.step(x, x)
        evaluated = outputs(handle.model, x)
        with pytest.raises(ValueError, match="norm1 at first cannot be left in the model"):
            handle.finish()
        assert torch.equal(outputs(handle.model, x), evaluated)
        assert "forward" not in vars(handle.model.first)
    finished(case(Past(), "BatchNorm(at='second')"), data()[0])


@pytest.mark.parametrize("recipe", ["Dropout(rate=0.1)", "BatchNorm", "LayerNorm"])
def test_an_encoder_with_masked_positions_is_evaluated_and_finished(recipe: str) -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Linear(6, 8), nn.Linear(8, 3)
            self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)

        def forward(self, x: Tensor) -> Tensor:
            masked = torch.tensor([False, False, True]).expand(len(x), 3)
            h = self.embed(x[:, None] * torch.arange(1.0, 4.0)[:, None])
            return self.head(self.encoder(h, src_key_padding_mask=masked)[:, :2].mean(1))

    model = finished(case(Masked(), recipe), data()[0])
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(data()[0]), outputs(model, data()[0]))


def test_steps_of_a_sequence_that_is_called_and_indexed_keep_their_numbers() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
            self.last = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.body(x) + self.body[2](x))

    model = finished(case(Both(), "LayerNorm"), data()[0])
    assert len(model.body) == 3
