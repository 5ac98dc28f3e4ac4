"""Each unit of strength is what the library does with it, and conversions are what both libraries do."""

from __future__ import annotations

import doctest
import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.optim import SGD, Adam, AdamW, Muon, Optimizer

from bridle.attaching import attach
from bridle_audit.decay.strengths import conversion_table, conversions, convert_strength, exactness
from bridle_audit.decay.units import UNITS, find_unit
from needed import keras_on_torch
from repository import ROOT

keras = keras_on_torch()

# NumPy 2 warns of an argument that Keras's variables do not know.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

PAGE = ROOT / "docs/audit/strengths.md"
LR, PEAK, BATCH, SAMPLES = 0.05, 0.2, 8, 40
GIVEN: dict[str, Any] = {"lr": LR, "peak_lr": PEAK, "batch_size": BATCH, "samples": SAMPLES}


def of_torch(make: Callable[[list[nn.Parameter], float], Optimizer]) -> Callable[[float], float]:
    """The share of a weight that a step without a data gradient takes."""

    def share(value: float) -> float:
        weight = nn.Parameter(torch.full((2, 2), 3.0, dtype=torch.float64))
        weight.grad = torch.zeros_like(weight)
        make([weight], value).step()
        return float(1 - weight.detach().mean() / 3)

    return share


def of_adam(value: float) -> float:
    """What gradient descent would do with the gradient that Adam sees: its first moment shows that."""
    weight = nn.Parameter(torch.full((2, 2), 3.0, dtype=torch.float64))
    weight.grad = torch.zeros_like(weight)
    optimizer = Adam([weight], lr=LR, weight_decay=value)
    optimizer.step()
    return LR * float(optimizer.state[weight]["exp_avg"].mean() / (1 - 0.9) / 3)


def of_keras(optimizer: Callable[[float], object], penalty: Callable[[float], object]) -> Callable[[float], float]:
    """A layer that sees nothing but zeros has no data gradient."""

    def share(value: float) -> float:
        layer = keras.layers.Dense(2, use_bias=False, kernel_initializer="ones", kernel_regularizer=penalty(value))
        model = keras.Sequential([keras.Input((2,)), layer])
        model.compile(optimizer(value), "mse")
        model.fit(np.zeros((BATCH, 2)), np.zeros((BATCH, 2)), batch_size=BATCH, verbose=0)
        return 1 - float(layer.get_weights()[0].mean())

    return share


def of_sklearn_mlp(value: float) -> float:
    """The first layer sees nothing but zeros; the step is plain gradient descent."""
    model = MLPClassifier((3,), solver="sgd", momentum=0, learning_rate_init=LR, batch_size=BATCH, alpha=0)
    x, y = np.zeros((BATCH, 2)), np.arange(BATCH) % 2
    model.partial_fit(x, y, classes=[0, 1])
    before = model.coefs_[0].copy()
    model.set_params(alpha=value).partial_fit(x, y)
    return float(1 - (model.coefs_[0] / before).mean())


def pull_at_optimum(weight: np.ndarray, gradient: np.ndarray) -> float:
    """At the optimum the penalty's gradient is the data's, reversed: LR times it over the weight is the share."""
    return LR * float(-(gradient * weight).sum() / (weight * weight).sum())


def of_ridge(value: float) -> float:
    x, y = make_regression(SAMPLES, 3, noise=5.0, random_state=0)
    weight = torch.tensor(Ridge(alpha=value, fit_intercept=False, tol=1e-12).fit(x, y).coef_, requires_grad=True)
    nn.MSELoss()(torch.tensor(x) @ weight, torch.tensor(y)).backward()
    assert weight.grad is not None
    return pull_at_optimum(weight.detach().numpy(), weight.grad.numpy())


def of_logistic_regression(value: float) -> float:
    x, y = make_classification(SAMPLES, 6, n_informative=4, n_classes=3, random_state=0)
    fitted = LogisticRegression(C=value, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(x, y)
    weight = torch.tensor(fitted.coef_, requires_grad=True)
    nn.CrossEntropyLoss()(torch.tensor(x) @ weight.T, torch.tensor(y)).backward()
    assert weight.grad is not None
    return pull_at_optimum(weight.detach().numpy(), weight.grad.numpy())


def of_bridle(text: str) -> Callable[[float], float]:
    """A recipe attached to a layer that sees nothing but zeros, the learning rate below its highest."""

    def share(value: float) -> float:
        model = nn.Linear(2, 2, bias=False).double()
        nn.init.ones_(model.weight)
        optimizer = SGD(model.parameters(), lr=PEAK)
        handle = attach(model, optimizer, text.format(value), loss=nn.MSELoss(), steps=2)
        optimizer.param_groups[0]["lr"] = LR
        handle.step(torch.zeros(3, 2).double(), torch.zeros(3, 2).double())
        return float(1 - model.weight.detach().mean())

    return share


# What the sources of libraries say that are too heavy to test with; numbers were compared once with these versions.
FORMULAS: dict[str, Callable[[float], float]] = {
    # mosaicml 0.32.1, composer/optim/decoupled_weight_decay.py: decay_factor = lr / initial_lr;
    # param.mul_(1 - decay_factor * weight_decay); initial_lr is the lr of the start, the schedule's highest.
    "composer.DecoupledAdamW": lambda value: LR / PEAK * value,
    "composer.DecoupledSGDW": lambda value: LR / PEAK * value,
    # fastai 2.8.12, fastai/optimizer.py, weight_decay: p.data.mul_(1 - lr*wd)
    "fastai.Adam": lambda value: LR * value,
    # optax 0.2.8, alias.py: adamw = chain(scale_by_adam, add_decayed_weights, scale_by_learning_rate)
    "optax.adamw": lambda value: LR * value,
    # pytabkit, models/training/lightning_callbacks.py, L1L2RegCallback: p.grad += (2.0 * l2_reg) * p
    "pytabkit.l2_reg": lambda value: LR * 2 * value,
    "share per step": lambda value: value,
}


def nothing(value: float) -> None:
    return None


REAL: dict[str, Callable[[float], float]] = {
    "torch.SGD": of_torch(lambda weights, value: SGD(weights, lr=LR, weight_decay=value)),
    "torch.Adam": of_adam,
    "torch.AdamW": of_torch(lambda weights, value: AdamW(weights, lr=LR, weight_decay=value)),
    "torch.Muon": of_torch(lambda weights, value: Muon(weights, lr=LR, weight_decay=value)),
    "keras.L2": of_keras(lambda _: keras.optimizers.SGD(LR), keras.regularizers.L2),
    "keras.weight_decay": of_keras(lambda value: keras.optimizers.SGD(LR, weight_decay=value), nothing),
    "keras.AdamW": of_keras(lambda value: keras.optimizers.AdamW(LR, weight_decay=value), nothing),
    "sklearn.MLP": of_sklearn_mlp,
    "sklearn.Ridge": of_ridge,
    "sklearn.LogisticRegression": of_logistic_regression,
    "bridle.L2": of_bridle("L2(strength={})"),
    "bridle.WeightDecay": of_bridle("WeightDecay(strength={})"),
    "bridle.WeightDecay(per=schedule)": of_bridle("WeightDecay(strength={}, per='schedule')"),
}


def test_every_unit_is_tried() -> None:
    assert {*REAL, *FORMULAS} == set(UNITS)
    assert not {*REAL} & {*FORMULAS}


@pytest.mark.parametrize("name", UNITS)
def test_share_is_what_the_library_takes(name: str) -> None:
    value = 0.3
    share = (REAL | FORMULAS)[name](value)
    assert share == pytest.approx(convert_strength(value, source=name, target="share per step", **GIVEN), rel=1e-4)
    assert share > 0


@pytest.mark.parametrize("target", REAL)
@pytest.mark.parametrize("source", ["torch.AdamW", "keras.L2", "composer.DecoupledAdamW", "sklearn.MLP"])
def test_number_in_the_target_takes_what_it_took_in_the_source(source: str, target: str) -> None:
    value = convert_strength(0.02, source=source, target=target, **GIVEN)
    taken = (REAL | FORMULAS)[source](0.02)
    rel = 1e-2 if "keras" in source or "keras" in target else 1e-4  # Keras keeps its weights in single precision
    assert REAL[target](value) == pytest.approx(taken, rel=rel)


@pytest.mark.parametrize("source", UNITS)
@pytest.mark.parametrize("target", UNITS)
def test_there_and_back_is_the_same(source: str, target: str) -> None:
    there = convert_strength(0.3, source=source, target=target, **GIVEN, momentum=0.9)
    assert convert_strength(there, source=target, target=source, **GIVEN, momentum=0.9) == pytest.approx(0.3)


def test_numbers_that_people_mistake_for_each_other() -> None:
    def torch_of(value: float, source: str) -> float:
        return convert_strength(value, source=source, target="torch.AdamW", **{**GIVEN, "peak_lr": 1e-3})

    assert torch_of(0.01, "composer.DecoupledAdamW") == pytest.approx(10.0)
    assert torch_of(0.01, "keras.L2") == pytest.approx(0.02)
    assert torch_of(0.01, "fastai.Adam") == pytest.approx(0.01)


def test_momentum_adds_up_what_is_coupled() -> None:
    value = convert_strength(0.01, source="torch.SGD", target="torch.AdamW", momentum=0.9)
    assert value == pytest.approx(0.1)
    assert convert_strength(value, source="bridle.WeightDecay", target="keras.L2", momentum=0.9) == pytest.approx(0.005)
    assert convert_strength(0.01, source="torch.SGD", target="keras.L2", momentum=0.9) == 0.005
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = SGD([weight], lr=0.01, momentum=0.9, weight_decay=0.01)
    for _ in range(1000):
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
    assert float(weight.detach()) == pytest.approx((1 - 0.01 * value) ** 1000, rel=0.02)


def test_limits() -> None:
    assert convert_strength(0.0, source="keras.L2", target="torch.AdamW") == 0.0
    unlimited = convert_strength(0.0, source="torch.SGD", target="sklearn.LogisticRegression", samples=10)
    assert unlimited == math.inf
    assert convert_strength(math.inf, source="sklearn.LogisticRegression", target="torch.SGD", samples=10) == 0.0


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("torch.AdamW", "composer.DecoupledSGDW", "exact"),
        ("keras.L2", "torch.Adam", "exact with the same optimizer"),
        ("keras.L2", "torch.AdamW", "exact with SGD only"),
        ("torch.Adam", "torch.AdamW", "only what gradient descent would do"),
    ],
)
def test_what_a_conversion_is_exact_for(source: str, target: str, expected: str) -> None:
    assert exactness(source, target) == exactness(target, source) == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("torch.adamw", "torch.AdamW"),
        ("torch.optim.AdamW", "torch.AdamW"),
        ("keras.regularizers.L2", "keras.L2"),
        ("sklearn.neural_network.MLPClassifier", "sklearn.MLP"),
        ("torch.RMSprop", "torch.Adam"),
        ("bridle.WeightDecay(per='schedule')", "bridle.WeightDecay(per=schedule)"),
        ('bridle.WeightDecay( per = "schedule")', "bridle.WeightDecay(per=schedule)"),
        ("Share per step", "share per step"),
    ],
)
def test_names_are_read_as_people_write_them(written: str, meant: str) -> None:
    assert find_unit(written).name == meant


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"source": "torch.AdmW"}, r"unknown unit of strength 'torch.AdmW'; did you mean torch.AdamW or torch.Adam\?"),
        ({"source": "sklearn.MLP"}, "sklearn.MLP needs batch_size=, the number of rows in a batch"),
        ({"target": "composer.DecoupledAdamW"}, "needs peak_lr=, the highest learning rate of the schedule"),
        ({"target": "share per step"}, "share per step needs lr=, the learning rate"),
        ({"value": -0.1}, "a strength is a number from 0, got -0.1"),
        ({"value": "0.1"}, "a strength is a number from 0, got '0.1'"),
        ({"lr": 0.0}, "lr, the learning rate, must be greater than 0, got 0.0"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_a_sentence(settings: dict[str, object], sentence: str) -> None:
    given = {"value": 0.1, "source": "torch.AdamW", "target": "keras.L2", **settings}
    with pytest.raises(ValueError, match=sentence):
        convert_strength(**given)  # type: ignore[arg-type]


def test_table_has_a_line_for_each_unit() -> None:
    lines = {each.unit.name: each for each in conversion_table(0.01, lr=1e-3)}
    assert list(lines) == list(UNITS)
    assert lines["composer.DecoupledAdamW"].value == pytest.approx(1e-5)
    assert lines["composer.DecoupledAdamW"].share == pytest.approx(0.01)
    assert lines["torch.AdamW"].share == pytest.approx(1e-5)
    text = conversions(0.01, source="keras.l2", lr=1e-3).splitlines()
    assert text[0].split("  ")[-2:] == ["as 0.01 in keras.L2", "conversion"]
    assert len(text) == 1 + len(UNITS)
    assert next(line for line in text if line.startswith("bridle.L2")).split()[-6] == "0.01"


def test_page_shows_the_table() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    expected = [
        [
            f"`{each.unit.name}`",
            each.unit.formula,
            "(lr)" if each.unit.rescaled else f"{each.share:.3g}",
            f"{each.value:.3g}",
            each.exact,
        ]
        for each in conversion_table(0.01, lr=1e-3)
    ]
    assert shown == expected


def test_examples_of_the_page_print_what_it_says() -> None:
    blocks = re.findall(r"```pycon\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, object] = {}
    printed: list[str] = []
    for block in blocks:
        test = doctest.DocTestParser().get_doctest(block, names, PAGE.name, str(PAGE), 0)
        doctest.DocTestRunner(verbose=False).run(test, out=printed.append, clear_globs=False)
        names = test.globs
    assert len(blocks) == 5
    assert not printed, "".join(printed)


def test_defaults_that_are_named_in_the_docs_are_those_of_the_libraries() -> None:
    def default(of: Callable[..., object]) -> object:
        return inspect.signature(of).parameters["weight_decay"].default

    assert (default(AdamW), default(Muon), default(Adam), default(SGD)) == (0.01, 0.1, 0, 0)
    assert default(keras.optimizers.AdamW) == 0.004
