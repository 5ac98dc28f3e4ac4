"""The code of a recipe: plain PyTorch that takes the same steps as the engine, under the engine's random numbers."""

from __future__ import annotations

import builtins
import re
import subprocess
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import cycle, pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes
from torch import Tensor, nn

import bridle.exporting.training
import bridle.protocol
from bridle import CATALOG, Recipe, engine, vanilla
from bridle.data import Data, load
from bridle.engine.noise import StackNoise
from bridle.engine.user_modules import build_module
from bridle.exporting import to_code
from bridle.knobs import knob
from bridle.metric_info import METRICS, TASK_METRICS, curve_metric
from bridle.networks import MLP, ConvNet, convnet, linear, mlp, residual_mlp
from bridle.places import Ascent, Draw, Loss
from bridle.protocol import Protocol, Variant
from bridle.regularizers import AlphaDropout, Dropout, SpatialDropout
from bridle.seeded_draws import batch_orders, linear_weights

SEED = 3
ADAM = Protocol("adam", batch_size=64, epochs=2, precision="float64")
NETWORK = mlp(24, 16)
ON_IMAGES = [name for name, leaf in CATALOG.items() if getattr(leaf, "images_only", False)]
ON_BRANCHES = [name for name, leaf in CATALOG.items() if leaf().settings(numbers=False).get("at") == "residual"]


def recipe_of(name: str) -> str:
    """The regularizer at its defaults, where a perceptron has a place for it."""
    return f"{name}(at='hidden')" if name in ON_BRANCHES else name


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="module")
def images(digits: Data) -> Data:
    arrays = [array for x, y in digits.splits().values() for array in (x.reshape(-1, 8, 8), y)]
    return Data(*arrays, name="images")


@pytest.fixture(scope="module")
def diabetes() -> Data:
    x, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    train, valid, test = np.split(order, [260, 350])
    x = x / x.std(0)
    return Data(x[train], y[train], x[valid], y[valid], x[test], y[test], task="regression", name="diabetes")


class Replay:
    """The engine's weights, batches and noise, handed to a script in the place of torch's, and its steps' losses."""

    def __init__(self, data: Data, recipe: str, network: Any, protocol: Protocol) -> None:
        self.data, self.recipe, self.network, self.protocol = data, Recipe.parse(recipe), network, protocol
        self.drawn: dict[tuple[str, int], deque[Tensor]] = defaultdict(deque)
        self.losses: list[float] = []
        self.printed: list[str] = []

    def record(self, monkeypatch: pytest.MonkeyPatch, run: Callable[[], Any]) -> Any:
        """Return the result of ``run()``; the noise that the engine draws on the way is kept."""
        draw = StackNoise.draw

        def noted(noise: Any, each: Draw, stream_id: int, subject: tuple[int, ...]) -> Tensor:
            found = draw(noise, each, stream_id, subject)
            self.drawn[each.kind, found[0].numel()].append(found[0].clone())
            return found

        with monkeypatch.context() as patch:
            patch.setattr(StackNoise, "draw", noted)
            return run()

    def noise(self, kind: str) -> Callable[[Tensor], Tensor]:
        """Draws like a tensor."""
        return lambda like: self.drawn[kind, like.numel()].popleft().view(like.shape)

    def dropout(self, formula: Callable[..., Tensor], *, by_channel: bool = False) -> Callable[..., Tensor]:
        """torch's function of a dropout layer, by the formula and the engine's noise."""

        def dropped(h: Tensor, p: float, training: bool, inplace: bool = False) -> Tensor:
            if not training:
                return h
            seen = h if by_channel else h.movedim(1, -1)
            noise = self.noise("uniform")(seen[:, :, :1, :1] if by_channel else seen)
            out = formula(seen, noise, rate=p)
            return out if by_channel else out.movedim(-1, 1)

        return dropped

    def orders(self, rows: int) -> Iterator[Tensor]:
        """The order of the rows in each epoch."""
        size = min(self.protocol.batch_size, rows)
        return (torch.from_numpy(order) for order in batch_orders(SEED, rows, size))

    def weights(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The initial weight and bias of each weighted layer, in order."""
        x = self.data.x_train
        if isinstance(self.network, MLP):
            sizes = self.network.widths(x[0].size, self.data.n_outputs)
            for number, (inputs, outputs) in enumerate(pairwise(sizes)):
                weight, bias = linear_weights(SEED, number, inputs, outputs)
                yield torch.from_numpy(weight), torch.from_numpy(bias)
        else:
            module = build_module(self.network.factory(x.shape[1:], self.data.n_outputs), SEED).double()
            for part in module.modules():
                if hasattr(part, "weight"):
                    yield part.get_parameter("weight"), part.get_parameter("bias")

    @contextmanager
    def handed_over(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Within, torch's random numbers are the engine's."""
        weights, orders = cycle(list(self.weights())), [self.orders(len(self.data.x_train))]

        seeded = torch.manual_seed

        def begin_anew(seed: int) -> None:
            seeded(seed)
            if seed == 0:  # that of a training, and not of a step
                orders[0] = self.orders(len(self.data.x_train))

        def begin(layer: nn.Module) -> None:
            weight, bias = next(weights)
            with torch.no_grad():
                layer.get_parameter("weight").copy_(weight)
                layer.get_parameter("bias").copy_(bias)

        backward = Tensor.backward

        def noted(loss: Tensor) -> None:
            self.losses.append(loss.item())
            backward(loss)

        with monkeypatch.context() as patch:
            for kind in (nn.Linear, nn.modules.conv._ConvNd):
                patch.setattr(kind, "reset_parameters", begin)
            patch.setattr(torch, "manual_seed", begin_anew)
            patch.setattr(torch, "randperm", lambda rows: next(orders[0]))
            patch.setattr(torch, "rand_like", self.noise("uniform"))
            patch.setattr(torch, "randn_like", self.noise("normal"))
            patch.setattr(F, "dropout", self.dropout(Dropout.torch))
            patch.setattr(F, "alpha_dropout", self.dropout(AlphaDropout.torch))
            patch.setattr(F, "dropout2d", self.dropout(SpatialDropout.torch, by_channel=True))
            patch.setattr(Tensor, "backward", noted)
            torch.set_default_dtype(torch.float64)
            try:
                yield
            finally:
                torch.set_default_dtype(torch.float32)

    def run(self, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
        """The model that the script trains under the engine's random numbers."""
        code = to_code(self.recipe, self.network, self.protocol, task=self.data.task)
        images = isinstance(self.network, ConvNet)
        rows = [torch.from_numpy(x).double() for x in (self.data.x_train, self.data.x_valid)]
        x_train, x_valid = (x[:, None] if images else x for x in rows)
        y_train, y_valid = (torch.from_numpy(y) for y in (self.data.y_train, self.data.y_valid))
        if self.data.task == "regression":
            y_train, y_valid = y_train.double(), y_valid.double()
        train = functions(monkeypatch, code, output=self.printed.append)["train"]
        with self.handed_over(monkeypatch):
            model: nn.Module = train(x_train, y_train, x_valid, y_valid)
        return model


def functions(
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    name: str = "script",
    output: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Return what a script defines that is run where bridle cannot be imported; its output goes where it is told."""

    def guarded(module: str, *rest: Any) -> Any:
        if module.partition(".")[0] == "bridle":
            raise ImportError("bridle is not there")
        return builtins.__import__(module, *rest)

    script = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, script)  # where a dataclass looks for its types
    vars(script)["__builtins__"] = {**vars(builtins), "__import__": guarded, "print": output}
    exec(compile(code, "script.py", "exec"), vars(script))
    return vars(script)


def check_steps(
    monkeypatch: pytest.MonkeyPatch, data: Data, recipe: str, network: Any = NETWORK, protocol: Protocol = ADAM
) -> None:
    """The losses of all steps are the engine's."""
    replay = Replay(data, recipe, network, protocol)
    variant = Variant(replay.recipe, SEED)
    expected = replay.record(
        monkeypatch, lambda: engine.step_losses(data, variant, network, protocol, protocol.n_epochs * len(data.x_train))
    )
    model = replay.run(monkeypatch)
    twice = any(isinstance(each, Ascent) for each in replay.recipe)
    assert replay.losses[:: 2 if twice else 1] == pytest.approx(expected, rel=1e-9)
    assert len(expected) >= 8
    assert {key: len(left) for key, left in replay.drawn.items() if left} == {}
    assert not model.training


@pytest.mark.parametrize("name", CATALOG)
def test_the_code_of_every_regularizer_takes_the_engines_steps(
    monkeypatch: pytest.MonkeyPatch, digits: Data, images: Data, name: str
) -> None:
    check_steps(monkeypatch, images if name in ON_IMAGES else digits, recipe_of(name))


TOGETHER = [
    "none",
    "Dropout(rate=0.2) + WeightDecay(strength=0.01)",
    "Mixup + BatchNorm + SAM + EMA + EarlyStopping",
    "Mixup(alpha=0.4) + LabelSmoothing(strength=0.1) + BatchNorm() + Dropout(rate=0.2) + L1(strength=0.001) "
    "+ ConfidencePenalty(strength=0.1) + GradientNoise() + ClipNorm(limit=0.5) + WeightDecay() + MaxNorm(limit=2.0)",
    "FGSM(radius=0.05) + WeightNorm() + DropConnect(rate=0.1) + VAT() + SAM(radius=0.05) + SoftThreshold()",
    "InputNoise(spread=0.2) + RDrop() + Dropout(rate=0.3) + ActivityL1() + ASAM() + EMA()",
    "HardBootstrap + BatchNorm(at='all') + GaussianDropout + JacobianPenalty + SpectralPenalty + ASAM",
    "LabelSmoothing + FGSM + GhostBatchNorm + SpectralNorm + L2ToInit + GroupLasso(on='all') + Lookahead",
    "Dropout(rate=0.1, at='input') + Dropout + ActivityL2(at='all') + ShrinkPerturb + WeightDecay",
    "WeightDecay(strength=0.1) + ShrinkPerturb(every=0.1) + WeightDecay(strength=0.2, on='biases')",
    "WeightDecay(per='schedule', strength=0.001) + ClipValue(on='biases') + ClipNorm(on='Linear') + UnitNorm(on='o*')",
    "GroupSoftThreshold(groups='columns') + GroupLasso(groups='channels') + Orthogonality + AdaptiveClip",
    "EMA(decay=0.9) + GhostBatchNorm + SpectralNorm + GradientNoise(on='biases')",
]
SCHEDULED = [
    "Dropout(rate=linear(0.0, 0.5, over=0.5)) + BatchNorm(momentum=cosine(0.5, 0.1))",
    "L2(strength=cosine(0.1, 0.0)) + WeightDecay(strength=flat_cosine(0.5))",
    "Dropout(rate={'0': 0.1, '2': 0.4, '*': 0.2}, at='all') + L1(strength={'output.*': 0.01, 'Linear': 0.001})",
    "Mixup(alpha=until(0.5)) + Dropout(rate={'linear1': after(0.3, 0.4), '*': 0.1})",
    "LabelSmoothing(strength=until(0.5)) + DropConnect(rate={'linear2': linear(0, 0.3), '*': 0.1})",
    "SAM(radius=after(0.5)) + DropConnect(rate={'linear1': linear(0.3, 0), '*': 0.1})",
    "ClipNorm(limit=until(0.5, 0.1)) + WeightDecay(strength={'output.weight': 0.3, '*': 0.01})",
    "ASAM(radius={'output.*': 0.1, '*': linear(0.01, 0.1)}) + EMA(decay={'output.*': 0.9, '*': 0.8}) + BatchNorm",
    "L2ToInit(strength={'output.*': 0.1, '*': 0.01}) + SpectralPenalty(strength={'linear1.*': 1, '*': linear(0, 1)})",
    "ActivityL1(strength=linear(0, 1)) + MaxNorm(limit={'output.*': 1, '*': 2})",
]


@pytest.mark.parametrize("recipe", [*TOGETHER, *SCHEDULED])
def test_the_code_of_a_whole_recipe_takes_the_engines_steps(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str
) -> None:
    check_steps(monkeypatch, digits, recipe)


@pytest.mark.parametrize("protocol", [Protocol("sgd", schedule="constant"), Protocol("momentum"), Protocol("adamw")])
@pytest.mark.parametrize("recipe", ["none", TOGETHER[9], SCHEDULED[1], "WeightDecay(on='all') + GroupSoftThreshold"])
def test_the_code_has_the_protocols_optimizer_and_schedule(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str, protocol: Protocol
) -> None:
    check_steps(monkeypatch, digits, recipe, protocol=replace(protocol, epochs=2, precision="float64", batch_size=50))


@pytest.mark.parametrize(
    "recipe",
    [
        "none",
        "BatchNorm + Dropout + WeightNorm + ActivityL1 + L2",
        "SpatialDropout + LayerNorm + SpectralNorm + SAM",
        "DropBlock(rate=0.05, block=3) + GroupNorm + JacobianPenalty",
        "CutMix + StochasticDepth(at='pool1') + WeightStandardization + AdaptiveClip",
        "FGSM + ImageShift + GaussianDropout(at='all') + GhostBatchNorm + GradientCentralization",
        "Dropout(at='Conv2d') + RDrop + Orthogonality(on='Conv2d') + SWA(start=0.2)",
    ],
)
def test_the_code_of_a_convolutional_network_takes_the_engines_steps(
    monkeypatch: pytest.MonkeyPatch, images: Data, recipe: str
) -> None:
    check_steps(monkeypatch, images, recipe, convnet(4, 6))


@pytest.mark.parametrize(
    "recipe",
    [
        "StochasticDepth(rate=0.3) + BatchNorm + Dropout(at='all') + WeightNorm",
        "StochasticDepth(rate={'block1.branch': 0.1, '*': 0.4}) + LayerNorm + MaxNorm(on='block2.*') + SAM",
    ],
)
def test_the_code_of_a_residual_network_takes_the_engines_steps(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str
) -> None:
    check_steps(monkeypatch, digits, recipe, residual_mlp(12, 2))


@pytest.mark.parametrize(
    "recipe", ["none", "Mixup + FGSM + BatchNorm + L2 + JacobianPenalty + Dropout + SAM", "InputNoise + EMA"]
)
def test_the_code_of_a_regression_takes_the_engines_steps(
    monkeypatch: pytest.MonkeyPatch, diabetes: Data, recipe: str
) -> None:
    check_steps(monkeypatch, diabetes, recipe, protocol=replace(ADAM, batch_size=32))


@pytest.mark.parametrize("network", [linear(), mlp(12, activation="tanh"), mlp(12, 9, 6, activation="selu")])
def test_the_code_builds_any_perceptron(monkeypatch: pytest.MonkeyPatch, digits: Data, network: MLP) -> None:
    check_steps(monkeypatch, digits, "L2 + WeightDecay" if not network.hidden else "AlphaDropout + L2", network)


def test_the_comparison_would_notice_a_strength_that_is_one_part_in_a_million_off(
    monkeypatch: pytest.MonkeyPatch, digits: Data
) -> None:
    replay = Replay(digits, "L2(strength=0.01)", NETWORK, ADAM)
    replay.run(monkeypatch)
    almost = Variant(Recipe.parse("L2(strength=0.01000001)"), SEED)
    expected = engine.step_losses(digits, almost, NETWORK, ADAM, len(replay.losses))
    assert replay.losses != pytest.approx(expected, rel=1e-9)


ENDINGS = [
    "BatchNorm + Dropout(rate=0.2)",
    "BatchNorm + EMA(decay=0.9)",
    "BatchNorm + SpectralNorm + EMA(decay=0.9)",
    "BatchNorm + Dropout(rate=0.2) + SWA(start=0.5)",
    "GhostBatchNorm + GaussianDropout + SWA(start=0.5) + EarlyStopping(patience=1, min_delta=0.3)",
    "WeightNorm + BatchNorm + Lookahead",
    "BatchNorm + ActivityL1 + SnapshotEnsemble(cycles=3)",
    "EarlyStopping(patience=1, min_delta=0.3)",
    "EMA(decay=0.9) + GeneralizationLoss(limit=linear(0.5, 1.0))",
    "EarlyStopping(patience=2, watch='metric') + GeneralizationLoss + SpectralNorm",
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("recipe", ENDINGS)
def test_what_the_code_returns_is_what_the_engine_ends_with(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str
) -> None:
    protocol = Protocol("adam", lr=0.01, batch_size=64, epochs=6, precision="float64")
    replay = Replay(digits, recipe, NETWORK, protocol)
    run = replay.record(monkeypatch, lambda: engine.train(digits, replay.recipe, NETWORK, protocol, SEED))
    model = replay.run(monkeypatch)
    assert len(replay.losses) == (run.stopped_at or 6) * (len(digits.x_train) // 64)
    with torch.no_grad():
        z = model(torch.from_numpy(digits.x_valid).double())
    loss = F.cross_entropy(z, torch.from_numpy(digits.y_valid)).item()
    assert loss == pytest.approx(run.scores["valid"]["log_loss"], rel=1e-9)


@pytest.fixture(scope="module")
def few(digits: Data) -> Data:
    """So few digits, some of them under a wrong name, that the best epoch is not the last."""
    labels = np.where(np.arange(150) % 5, digits.y_train[:150], (digits.y_train[:150] + 1) % 10)
    return Data(digits.x_train[:150], labels, digits.x_valid[:100], digits.y_valid[:100], classes=digits.classes)


def check_ending(monkeypatch: pytest.MonkeyPatch, data: Data, recipe: str, protocol: Protocol) -> tuple[Replay, Any]:
    """What the script returns is what the engine ends with; returns the replay and the engine's run."""
    replay = Replay(data, recipe, mlp(16), replace(protocol, precision="float64"))
    run = replay.record(monkeypatch, lambda: engine.train(data, replay.recipe, mlp(16), replay.protocol, SEED))
    model = replay.run(monkeypatch)
    with torch.no_grad():
        z = model(torch.from_numpy(data.x_valid).double())
    y = torch.from_numpy(data.y_valid)
    if data.task == "classification":
        assert F.cross_entropy(z, y).item() == pytest.approx(run.scores["valid"]["log_loss"], rel=1e-9)
    else:
        mean, deviation = data.target_scale
        off = (z[:, 0] * deviation + mean - y).square().mean().sqrt().item()
        assert off == pytest.approx(run.scores["valid"]["rmse"], rel=1e-6)
    return replay, run


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "recipe",
    ["none", "BatchNorm + EMA(decay=0.8) + Dropout", "SnapshotEnsemble(cycles=2)", "EarlyStopping(patience=2)"],
)
@pytest.mark.parametrize("metric", [None, "accuracy", "brier"])
def test_the_code_keeps_the_best_epoch_where_the_protocol_does(
    monkeypatch: pytest.MonkeyPatch, few: Data, recipe: str, metric: str | None
) -> None:
    protocol = Protocol(lr=0.05, batch_size=32, epochs=30, restore_best=True, metric=metric)
    _, run = check_ending(monkeypatch, few, recipe, protocol)
    assert (run.best_epoch is None) == ("Ensemble" in recipe)
    assert run.best_epoch is None or run.best_epoch < 30


@pytest.mark.parametrize(
    ("metric", "said"), [(None, "lowest validation loss"), ("accuracy", "highest validation accuracy")]
)
def test_the_code_says_which_score_chooses(metric: str | None, said: str) -> None:
    code = to_code("none", NETWORK, Protocol(epochs=3, restore_best=True, metric=metric))
    assert f"# The weights of the epoch with the {said} are kept." in code


@pytest.mark.parametrize("metric", METRICS)
def test_the_code_measures_every_metric_as_the_engine_does(
    monkeypatch: pytest.MonkeyPatch, few: Data, diabetes: Data, metric: str
) -> None:
    data = few if metric in TASK_METRICS["classification"] else diabetes
    protocol = Protocol(lr=0.03, batch_size=32, epochs=6, restore_best=True, metric=metric)
    replay, run = check_ending(monkeypatch, data, "none", protocol)
    shown = curve_metric(metric)
    said = [float(line.rsplit(maxsplit=1)[-1]) for line in replay.printed]
    assert said == pytest.approx(run.curves[f"valid_{shown}"], abs=6e-5)
    assert all(f", {shown.replace('_', ' ')} " in line for line in replay.printed)


def test_two_classes_have_the_usual_scores(monkeypatch: pytest.MonkeyPatch, few: Data) -> None:
    pairs = [array for x, y in few.splits().values() for array in (x, y % 2)]
    for metric in TASK_METRICS["classification"]:
        protocol = Protocol(lr=0.03, batch_size=32, epochs=2, restore_best=True, metric=metric)
        replay, run = check_ending(monkeypatch, Data(*pairs, task="classification"), "none", protocol)
        said = [float(line.rsplit(maxsplit=1)[-1]) for line in replay.printed]
        assert said == pytest.approx(run.curves[f"valid_{curve_metric(metric)}"], abs=6e-5)


def test_early_stopping_watches_the_metric_of_the_protocol(monkeypatch: pytest.MonkeyPatch, few: Data) -> None:
    for metric in ("brier", "balanced_accuracy"):
        recipe = "EarlyStopping(patience=2, watch='metric')"
        _, run = check_ending(monkeypatch, few, recipe, Protocol(lr=0.03, batch_size=32, epochs=20, metric=metric))
        assert run.stopped_at is not None and run.stopped_at < 20


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lengths that are tried are a tenth of what they are."""
    for name, tenth in (("FIRST_STEPS", 20), ("LAST_STEPS", 300), ("LAST_EPOCHS", 6)):
        for module in (bridle.protocol, bridle.exporting.training):
            monkeypatch.setattr(module, name, tenth)


@pytest.mark.usefixtures("short")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("recipe", "lr", "metric"),
    [
        ("none", 0.02, None),
        ("none", 0.01, "accuracy"),
        ("L2(strength=0.01) + BatchNorm + Dropout", 0.003, "auroc"),
        ("EMA(decay=0.9)", 0.01, None),
        ("EarlyStopping(patience=5)", 0.01, None),
        ("SnapshotEnsemble(cycles=2)", 0.01, None),
    ],
)
def test_the_code_finds_an_open_length_as_the_engine_does(
    monkeypatch: pytest.MonkeyPatch, few: Data, recipe: str, lr: float, metric: str | None
) -> None:
    replay, run = check_ending(monkeypatch, few, recipe, Protocol(lr=lr, batch_size=50, metric=metric))
    assert len(run.lengths) > 1
    assert len(replay.printed) == len(run.lengths)
    for line, length in zip(replay.printed, run.lengths, strict=True):
        assert line.endswith(f" {length.score:.4f} after {length.best_epoch}")


@pytest.mark.usefixtures("short")
def test_the_code_finds_the_length_of_a_regression(monkeypatch: pytest.MonkeyPatch, diabetes: Data) -> None:
    for metric in ("r2", "mae"):
        replay, run = check_ending(monkeypatch, diabetes, "none", Protocol(lr=0.003, batch_size=130, metric=metric))
        assert len(replay.printed) == len(run.lengths) > 1


@pytest.mark.usefixtures("short")
def test_an_open_length_without_the_best_epoch_ends_with_the_last(monkeypatch: pytest.MonkeyPatch, few: Data) -> None:
    _, run = check_ending(monkeypatch, few, "L2", Protocol(lr=0.01, batch_size=75, restore_best=False))
    assert run.best_epoch is None and len(run.lengths) > 1


def weighed(few: Data) -> Data:
    """The same with fewer rows of the first digits."""
    rows = np.flatnonzero((few.y_train > 4) | (np.arange(150) % 3 == 0))
    return Data(few.x_train[rows], few.y_train[rows], *few.splits()["valid"], classes=few.classes)


@pytest.mark.parametrize(
    "recipe",
    [
        "none",
        "L2 + ClipNorm(limit=0.5)",
        "LabelSmoothing(strength=0.2)",
        "HardBootstrap + LabelSmoothing + SAM",
        "FGSM + JacobianPenalty + SAM",
    ],
)
def test_the_code_weighs_classes_as_the_vanilla_engine_does(
    monkeypatch: pytest.MonkeyPatch, few: Data, recipe: str
) -> None:
    data = weighed(few)
    protocol = Protocol(batch_size=25, epochs=3, precision="float64", class_weight="balanced")
    replay = Replay(data, recipe, mlp(12), protocol)
    variant = Variant(replay.recipe, SEED)
    expected = replay.record(monkeypatch, lambda: engine.step_losses(data, variant, mlp(12), protocol, 10**3))
    assert expected == pytest.approx(vanilla.step_losses(data, variant, mlp(12), protocol, 10**3), rel=1e-9)
    replay.run(monkeypatch)
    assert replay.losses[:: 2 if "SAM" in recipe else 1] == pytest.approx(expected, rel=1e-9)
    plain = vanilla.step_losses(data, variant, mlp(12), replace(protocol, class_weight=None), 10**3)
    assert expected != pytest.approx(plain, rel=1e-2)


def noise_of_passes(monkeypatch: pytest.MonkeyPatch, data: Data, recipe: str) -> list[list[list[Tensor]]]:
    """Return what a script's GaussianDropout draws from torch's generator: by step, two passes with two layers each."""
    code = to_code(f"{recipe} + GaussianDropout", NETWORK, replace(ADAM, epochs=1))
    train = functions(monkeypatch, code)["train"]
    drawn: list[Tensor] = []
    draw = torch.randn_like

    def noted(like: Tensor) -> Tensor:
        found = draw(like)
        if like.shape[1] in NETWORK.hidden:
            drawn.append(found)
        return found

    x, y = torch.from_numpy(data.x_train).float(), torch.from_numpy(data.y_train)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randn_like", noted)
        train(x, y, x, y)
    assert len(drawn) == 4 * (len(x) // 64)
    return [[drawn[start : start + 2], drawn[start + 2 : start + 4]] for start in range(0, len(drawn), 4)]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(map(torch.equal, one, other))


@pytest.mark.parametrize("recipe", ["SAM", "SAM + Mixup", "JacobianPenalty", "FGSM", "FGSM + Mixup", "HardBootstrap"])
def test_all_passes_of_a_step_see_the_same_noise_and_the_next_step_another(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str
) -> None:
    steps = noise_of_passes(monkeypatch, digits, recipe)
    assert all(same(first, second) for first, second in steps)
    assert not any(same(one[0], other[0]) for one, other in pairwise(steps))


def test_the_second_pass_of_r_drop_sees_other_noise(monkeypatch: pytest.MonkeyPatch, digits: Data) -> None:
    assert not any(same(first, second) for first, second in noise_of_passes(monkeypatch, digits, "RDrop"))


@pytest.mark.parametrize("recipe", ["SAM + BatchNorm", "RDrop + Dropout + BatchNorm", "HardBootstrap + BatchNorm"])
def test_no_pass_but_the_first_moves_running_statistics(
    monkeypatch: pytest.MonkeyPatch, digits: Data, recipe: str
) -> None:
    train = functions(monkeypatch, to_code(recipe, NETWORK, replace(ADAM, epochs=1)))["train"]
    x, y = torch.from_numpy(digits.x_train).float(), torch.from_numpy(digits.y_train)
    assert train(x, y, x, y).norm1.num_batches_tracked == len(x) // 64


def test_the_networks_parameters_are_called_as_bridles_own(monkeypatch: pytest.MonkeyPatch, digits: Data) -> None:
    recipe = "BatchNorm + Dropout(rate=0.2)"
    model = functions(monkeypatch, to_code(recipe, NETWORK))["build"](64, 10).double()
    trained = engine.train(digits, recipe, NETWORK, replace(ADAM, epochs=1)).model
    model.load_state_dict(trained.state_dict())
    x = torch.from_numpy(digits.x_valid).double()
    assert torch.equal(model.eval()(x), trained(x))


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code of the catalog and of all recipes in this file, in networks that take them."""
    folder = tmp_path_factory.mktemp("scripts")
    recipes = [*map(recipe_of, CATALOG), *TOGETHER, *SCHEDULED, *ENDINGS]
    made = [(recipe, network, Protocol(epochs=9)) for recipe in recipes for network in (NETWORK, convnet(4, 6))]
    made += [(recipe, NETWORK, Protocol()) for recipe in recipes]
    for metric in TASK_METRICS["classification"]:
        made += [("Dropout", NETWORK, Protocol(metric=metric, class_weight="balanced", epochs=n)) for n in (None, 3)]
        made.append(("EMA", NETWORK, Protocol(metric=metric, restore_best=True, epochs=3)))
    for recipe, network, protocol in made:
        with suppress(ValueError):  # a recipe may name layers that only the perceptron has
            code = to_code(recipe, network, protocol)
            (folder / f"script{len(list(folder.iterdir()))}.py").write_text(code, encoding="utf-8")
    assert len(list(folder.iterdir())) > 2 * len(CATALOG)
    return folder


@pytest.mark.parametrize("command", [("format", "--check"), ("check", "--select", "E,F,I,B,UP,RUF100")])
def test_the_code_is_formatted_and_uses_all_that_it_defines(scripts: Path, command: tuple[str, ...]) -> None:
    options = ("--isolated", "--no-cache", "--line-length", "100")
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", *command, *options, str(scripts)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_the_code_says_nothing_of_the_stack_and_of_bridle(scripts: Path) -> None:
    for script in scripts.iterdir():
        text = script.read_text(encoding="utf-8")
        for word in ("bridle", "noqa", "type: ignore", "(..., batch", "out=out"):
            assert word not in text, script


@pytest.mark.parametrize(
    ("recipe", "network", "task"),
    [
        ("Dropout(rate=0.1) + WeightDecay(strength=0.01)", "mlp(64)", "classification"),
        ("BatchNorm + ImageShift(limit=0.0)", "convnet(4, 8)", "classification"),
        ("L2(strength=0.01)", "mlp(16)", "regression"),
    ],
)
def test_the_code_that_is_run_trains_on_data_of_scikit_learn(
    monkeypatch: pytest.MonkeyPatch, recipe: str, network: str, task: str
) -> None:
    printed: list[str] = []
    code = to_code(recipe, network, Protocol(lr=0.02, epochs=6), task=task)
    functions(monkeypatch, code, "__main__", printed.append)
    *epochs, last = printed
    assert len(epochs) == 6 and epochs[-1].startswith("epoch 6: validation loss")
    measure, score = last.removeprefix("validation ").split(": ")
    assert measure == {"classification": "accuracy", "regression": "r2"}[task]
    assert float(score) > {"classification": 0.9, "regression": 0.2}[task]


def test_the_code_runs_by_itself(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(to_code("Dropout(rate=0.2)", "mlp(16)", Protocol(epochs=1)), encoding="utf-8")
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"epoch 1: .*\nvalidation accuracy: 0\.\d+\n", ran.stdout)


def loss(w: Tensor, *, strength: float) -> Tensor:
    """Any shape -> the penalty, under a name that the loop has as well."""
    return strength * beta(w)


def beta(w: Tensor) -> Tensor:
    """The sum of cubes, under a name that Mixup's neighbor has as well."""
    return w.abs().pow(3).sum()


def add_loss_gradient(g: Tensor, w: Tensor, *, strength: float, out: Tensor | None = None) -> Tensor:
    return torch.add(g, 3 * strength * w * w.abs(), out=out)


@pytest.mark.usefixtures("own_leaves")
def test_names_that_two_formulas_or_the_loop_share_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, digits: Data
) -> None:
    @dataclass(frozen=True, repr=False)
    class Cubes(Loss):
        """Adds the sum of cubes to the loss."""

        strength: float = knob(0.01, "cost", off=0.0)
        vanilla = staticmethod(loss)
        torch = staticmethod(loss)
        add_gradient = staticmethod(add_loss_gradient)

    recipe = "Cubes + CutMix + ASAM + UnitNorm(on='output.*')"
    assert "def test_code_loss(" in to_code(recipe) and "def test_code_beta(" in to_code(recipe)
    check_steps(monkeypatch, digits, recipe)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("L2", lambda: nn.Linear(2, 2)), "to_code writes networks that bridle describes"),
        (("L2", "mlp(8"), "cannot read the network"),
        (("StochasticDepth",), "no place in this network"),
        (("Mixop",), "did you mean Mixup"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_sentence(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        to_code(*arguments)


@pytest.mark.parametrize(
    ("recipe", "task", "protocol", "said"),
    [
        ("LabelSmoothing", "regression", Protocol(), "is for classes"),
        ("L2", "clustering", Protocol(), "the task must be one of"),
        ("L2", "regression", Protocol(class_weight="balanced"), "class_weight='balanced' is for classes"),
        ("L2", "regression", Protocol(metric="auroc"), "the metric of a regression must be one of r2, rmse, mae"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(recipe: str, task: str, protocol: Protocol, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        to_code(recipe, protocol=protocol, task=task)


def test_a_metric_of_the_users_own_is_named_where_the_loss_stands_in_for_it() -> None:
    remark = "        # The loss stands in for profit, which is a metric of your own: put it in its place.\n"
    code = to_code("L2", NETWORK, Protocol(metric="profit"))
    assert remark in code
    assert code.replace(remark, "") == to_code("L2", NETWORK, Protocol(metric="log_loss"))


def test_making_the_code_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    to_code("Dropout + BatchNorm + WeightNorm", convnet(4, 6))
    assert torch.equal(torch.get_rng_state(), before)
