"""The registry of transfer functions, which compute the results of calls of Python's and libraries' functions."""

from __future__ import annotations

from collections.abc import Callable

from bridle_audit.static.interpreter.abstract_values import AbstractValue, Arguments, Frame
from bridle_audit.static.interpreter.machine import Machine

__all__ = ["TRANSFERS", "transfer"]

Transfer = Callable[[Machine, Arguments, Frame], AbstractValue]
TRANSFERS: dict[str, Transfer] = {}  # by the name of what is called


def transfer(*names: str) -> Callable[[Transfer], Transfer]:
    """Register what a call of the functions of some names returns."""

    def register(function: Transfer) -> Transfer:
        TRANSFERS.update(dict.fromkeys(names, function))
        return function

    return register
