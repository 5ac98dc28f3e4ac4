"""mypy finds in the source of a regularizer what would be refused when its class is defined."""

import subprocess
import sys

import pytest

SOUND = '''
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple

import numpy as np
from torch import Tensor

from bridle.knobs import knob
from bridle.places import Array, Draw, Gradient, Layer
from bridle.schedules import Strength


class Seen(NamedTuple, Generic[Array]):
    mean: Array


def fade_vanilla(
    h: np.ndarray, noise: np.ndarray, state: Seen[np.ndarray], *, rate: float, way: str
) -> tuple[np.ndarray, Seen[np.ndarray], Any]:
    return h * rate * noise, Seen(state.mean), lambda g: (g * rate * noise,)


def fade(
    h: Tensor, noise: Tensor, state: Seen[Tensor], *, rate: float | Tensor, way: str
) -> tuple[Tensor, Seen[Tensor]]:
    return h * rate * noise, Seen(state.mean)


@dataclass(frozen=True, repr=False)
class Fade(Layer):
    """Fades."""

    rate: Strength = knob(0.5, "share")
    way: str = knob("up", "direction", choices=("up", "down"), in_formula=True)
    noise = (*1 * (Draw("uniform"),),)
    state = Seen(mean=0.0)
    vanilla = staticmethod(fade_vanilla)
    torch = staticmethod(fade)

    @staticmethod
    def evaluate(h: Any, state: Seen[Any], *, rate: Any, way: str) -> Any:
        return h


@dataclass(frozen=True, repr=False)
class Halve(Gradient):
    """Halves."""

    extra_inputs = ("norm",)
    step_inputs = ("step",)
    vanilla = staticmethod(lambda g, norm, *, step: g / 2)
    torch = staticmethod(lambda g, norm, *, step, out=None: g / 2)
'''
FAULTS = {
    # what is right, the fault planted instead, and what mypy says of it
    "a misspelt input": ('extra_inputs = ("norm",)', 'extra_inputs = ("nrom",)', "Incompatible types in assignment"),
    "an input of the step that is not given": ('("step",)', '("lr",)', "Incompatible types in assignment"),
    "an input that the class does not name": (
        '    extra_inputs = ("norm",)\n',
        "",
        "vanilla takes (g, norm) by position",
    ),
    "a missing knob": (
        '    rate: Strength = knob(0.5, "share")\n',
        "",
        "vanilla takes rate=, which is neither a knob nor",
    ),
    "a knob that a formula does not take": (
        "rate: float | Tensor, way: str",
        "rate: float | Tensor",
        "does not take way=",
    ),
    "a misspelt knob": ("*, rate: float, way", "*, rat: float, way", "takes rat=, which is neither a knob"),
    "a word that is no input": (", in_formula=True", "", "takes way=, which is neither a knob"),
    "a twin with other arrays": (
        "h: np.ndarray, noise: np.ndarray, state",
        "h: np.ndarray, state",
        "vanilla takes (h, state)",
    ),
    "arrays in another order": (
        "h: Tensor, noise: Tensor, state",
        "noise: Tensor, h: Tensor, state",
        "stands at position",
    ),
    "a twin that returns less": (
        "return h * rate * noise, Seen(state.mean)\n",
        "return h, \n",
        "returns 1 results, but 2 are",
    ),
    "an evaluation without the state": (
        "evaluate(h: Any, state: Seen[Any], *",
        "evaluate(h: Any, *",
        "evaluate takes (h) by",
    ),
    "noise that there is not": ('Draw("uniform")', 'Draw("unifrom")', "incompatible type \"Literal['unifrom']\""),
    "noise that is not declared": (
        '    noise = (*1 * (Draw("uniform"),),)\n',
        "",
        "takes (h, noise, state) by position",
    ),
    "a field that the state has not": (
        "Seen(state.mean), lambda",
        "Seen(state.maen), lambda",
        'has no attribute "maen"',
    ),
    "arrays of another library": (
        "return h * rate * noise, Seen(state.mean), l",
        "return h, Seen(1), l",
        '"Seen" has incompatible',
    ),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What mypy says of each file: the sound one, and one for each fault."""
    folder = tmp_path_factory.mktemp("mypy")
    sources = {name: SOUND.replace(right, fault) for name, (right, fault, _) in FAULTS.items()}
    files = {name: folder / f"unit_{number}.py" for number, name in enumerate(["", *sources])}
    for name, file in files.items():
        file.write_text(sources.get(name, SOUND), encoding="utf-8")
    (folder / "mypy.ini").write_text("[mypy]\nstrict = True\nplugins = bridle.mypy_plugin\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", *(file.name for file in files.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert "unit_" in done.stdout, done.stdout + done.stderr
    return {
        name: [line for line in done.stdout.splitlines() if line.startswith(file.name)] for name, file in files.items()
    }


@pytest.mark.slow
def test_mypy_says_nothing_of_a_regularizer_without_fault(said):
    assert said[""] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_mypy_finds_the_fault(said, name):
    right, _, expected = FAULTS[name]
    assert right in SOUND
    assert any(expected in line for line in said[name]), said[name]
