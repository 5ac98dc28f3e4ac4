"""Sizes that the data decide, and modules of torch as the code that makes them."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from torch import nn

__all__ = ["NamedSize", "constructor_call", "is_torchs_own"]


class NamedSize(int):
    """A number that is written by its name: networks are built with it, so that their sizes are code.

    >>> height = NamedSize(8, "height")
    >>> height // 2 // 2, 16 * (height // 4) * 3, 1 * height
    ((height // 4), 16 * (height // 4) * 3, height)
    """

    name: str
    divisor: int

    def __new__(cls, value: int, name: str, divisor: int = 1) -> NamedSize:  # noqa: D102  (as int's)
        made = super().__new__(cls, value)
        made.name, made.divisor = name, divisor
        return made

    def __repr__(self) -> str:
        return self.name if self.divisor == 1 else f"({self.name} // {self.divisor})"

    def __floordiv__(self, other: int) -> NamedSize:
        return NamedSize(int(self) // other, self.name, self.divisor * other)

    def __mul__(self, other: int) -> NamedSize:
        return NamedSize(int(self) * int(other), f"{self!r} * {other!r}")

    def __rmul__(self, other: int) -> NamedSize:
        return self if other == 1 else NamedSize(int(self) * int(other), f"{other!r} * {self!r}")


def is_torchs_own(module: nn.Module) -> bool:
    """Return True where torch has the class of a module."""
    return getattr(nn, type(module).__name__, None) is type(module)


def constructor_call(module: nn.Module, sizes: Mapping[str, NamedSize]) -> str:
    """Return the call that makes one of torch's own modules, defaults left out.

    >>> constructor_call(nn.Conv2d(1, 8, 3, padding=1), {}), constructor_call(nn.BatchNorm1d(8, momentum=0.3), {})
    ('nn.Conv2d(1, 8, kernel_size=3, padding=1)', 'nn.BatchNorm1d(8, momentum=0.3)')
    >>> constructor_call(nn.Dropout(0.5), {}), constructor_call(nn.Flatten(), {})  # what drops says how much
    ('nn.Dropout(0.5)', 'nn.Flatten()')
    >>> constructor_call(nn.Linear(NamedSize(64, "inputs"), 8), {"inputs": NamedSize(64, "inputs")})
    'nn.Linear(inputs, 8)'
    """
    call = ast.parse(repr(module), mode="eval").body
    assert isinstance(call, ast.Call)
    words = [("", each) for each in call.args] + [(f"{each.arg}=", each.value) for each in call.keywords]
    arguments = [(word, ast.unparse(value)) for word, value in words]
    for word, value in words:
        if word == "p=":
            continue
        shorter = [(each, text) for each, text in arguments if (each, text) != (word, ast.unparse(value))]
        if makes(shorter, module, sizes):
            arguments = shorter
        elif isinstance(value, ast.Tuple):  # one number for all axes
            first = {word: ast.unparse(value.elts[0])}
            shorter = [(each, first.get(each, text) if each == word else text) for each, text in arguments]
            arguments = shorter if makes(shorter, module, sizes) else arguments
    plain = [("", text) for _, text in arguments]
    return call_text(module, plain if len(plain) <= 2 and makes(plain, module, sizes) else arguments)


def call_text(module: nn.Module, arguments: Sequence[tuple[str, str]]) -> str:
    """Return the call of a module's class with these arguments."""
    return f"nn.{type(module).__name__}({', '.join(word + text for word, text in arguments)})"


def makes(arguments: Sequence[tuple[str, str]], module: nn.Module, sizes: Mapping[str, NamedSize]) -> bool:
    """Return True where these arguments make such a module."""
    try:
        made = eval(call_text(module, arguments), {"nn": nn, **sizes})  # of torch's own description of its module
    except (TypeError, ValueError):
        return False
    return repr(made) == repr(module)
