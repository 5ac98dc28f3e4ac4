"""What is said of the libraries' names without them is true of the libraries."""

import importlib
import inspect
from typing import Any

import pytest
import torch
from torch.optim import Optimizer

from bridle_audit.static import read_source
from bridle_audit.static.dataflow.smoothing import STATED
from bridle_audit.static.facts.optimizers import ARGUMENT_POSITIONS
from bridle_audit.static.libraries.canonical_names import BUILTINS, STARS, from_star
from bridle_audit.static.libraries.drop_rates import drop_rates
from bridle_audit.static.libraries.kinds import LOSSES, kind_of

OPTIMIZERS = [each for each in vars(torch.optim).values() if inspect.isclass(each) and issubclass(each, Optimizer)]


def brought(module: str) -> list[str]:
    """The library's own classes and functions that a star brings from a module of torch."""
    names: dict[str, object] = {}
    exec(f"from {module} import *", names)
    own = {name for name, each in names.items() if (getattr(each, "__module__", None) or "").startswith("torch")}
    return sorted(name for name in own - BUILTINS if names[name] is getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("module", ["torch.nn", "torch.optim"])
def test_whatever_a_star_brings_is_known(module: str) -> None:
    """Every class, without a list of them."""
    names = [name for name in brought(module) if inspect.isclass(getattr(importlib.import_module(module), name))]
    assert len(names) > 10
    assert [from_star(name, [module]) for name in names] == [f"{module}.{name}" for name in names]


def test_functions_of_a_star_are_known() -> None:
    """Activations, losses and layers of torch.nn.functional."""
    names = [
        name
        for name in brought("torch.nn.functional")
        if name.islower() and callable(getattr(torch.nn.functional, name))
    ]
    assert {"relu", "cross_entropy", "dropout", "one_hot"} <= set(names)
    assert {from_star(name, ["torch.nn.functional"]) for name in names} == {f"torch.nn.functional.{n}" for n in names}


def test_another_module_with_a_star_may_have_brought_what_is_no_layer() -> None:
    """Then only what torch is known to have is torch's."""
    assert from_star("Linear", ["torch.nn", "models"]) == "torch.nn.Linear"
    assert from_star("Encoder", ["torch.nn", "models"]) is None
    assert from_star("Linear", ["models"]) is None


def test_names_of_python_stay_its_own() -> None:
    """``print`` is not torch's, ``sum`` is."""
    program = read_source("from torch import *\nprint(sum(x))\nrange(3)")
    assert [each.name for each in program.all_calls] == ["print", "torch.sum", "range"]
    assert [name for name in STARS if from_star("isinstance", [name])] == []


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda each: each.__name__)
def test_every_optimizer_is_one(kind: type[Optimizer]) -> None:
    """All of torch's, but not their base class."""
    found = read_source(f"import torch\ntorch.optim.{kind.__name__}(model.parameters())").optimizers
    assert [each.name for each in found] == ([] if kind is Optimizer else [f"torch.optim.{kind.__name__}"])


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda each: each.__name__)
def test_decay_stands_where_torch_takes_it(kind: type[Optimizer]) -> None:
    """By position, after the parameters."""
    taken = list(inspect.signature(kind).parameters)
    places = tuple(taken.index(each) for each in ("lr", "weight_decay") if each in taken)
    assert ARGUMENT_POSITIONS.get(f"torch.optim.{kind.__name__}") == (places if len(places) == 2 else None)


def named(name: str) -> Any:
    """What a dotted name of torch stands for."""
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


@pytest.mark.parametrize("name", [each for each in LOSSES if each.startswith("torch.nn.")])
def test_every_loss_is_one_of_torch(name: str) -> None:
    """Under that name."""
    assert callable(named(name))
    assert kind_of(name) == f"loss:{LOSSES[name]}"


TORCH_NAMES = [f"torch.nn.{each}" for each in dir(torch.nn)]
TORCH_NAMES += [  # of those in C nobody can ask
    f"torch.nn.functional.{name}" for name, each in vars(torch.nn.functional).items() if not inspect.isbuiltin(each)
]
RATES = [(name, *each) for name in TORCH_NAMES for each in drop_rates(name)]
STATED_NUMBERS = [*RATES, *((name, *each) for name, each in STATED.items() if name.startswith("torch."))]


@pytest.mark.parametrize(("name", "position", "keyword", "default"), STATED_NUMBERS)
def test_numbers_stand_where_torch_takes_them(name: str, position: int | None, keyword: str, default: float) -> None:
    """By position, by name, and with torch's default."""
    if position is None:  # of the recurrent layers, which take **keywords
        assert getattr(named(name)(1, 1), keyword) == default
        return
    parameters = inspect.signature(named(name)).parameters
    assert list(parameters).index(keyword) == position
    assert parameters[keyword].default == default
