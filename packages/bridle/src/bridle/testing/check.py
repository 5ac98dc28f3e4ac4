"""All checks of one regularizer, one after the other."""

from __future__ import annotations

import inspect
import warnings

from bridle.errors import InputError
from bridle.places.base import Placed
from bridle.recipe import Regularizer
from bridle.testing.assertions import Check
from bridle.testing.cards import CARD_CHECKS
from bridle.testing.place_checks import numerical_checks
from bridle_audit.wording import shortened

__all__ = ["check_regularizer", "checks_of"]


def check_regularizer(leaf: type[Regularizer]) -> None:
    """Run every check on a regularizer's class; ``AssertionError`` names the first that fails, and what it found.

    They make small inputs from what the class declares and hold both of its forms against each other: alone, stacked,
    at the value that is off, at zeros and huge numbers, in float32 and bfloat16. Gradients written by hand are held
    against autograd and small steps; knobs and recipes against their texts. A second or two for most classes.

    Raises ``ValueError`` for what is no regularizer's class; a class whose signatures are wrong is refused when it is
    defined.
    """
    for check in checks_of(leaf):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)  # NumPy warns of a division by zero, and goes on
                check(leaf)
        except Exception as error:
            raise AssertionError(
                f"{leaf.__name__} fails {check.__name__}. {expectation(check)} {describe_failure(error)}"
            ) from error


def checks_of(leaf: type[Regularizer]) -> tuple[Check, ...]:
    """The checks that apply to a regularizer, each a function of its class; ``ValueError`` for what is none."""
    if not (isinstance(leaf, type) and issubclass(leaf, Placed)):
        raise InputError(f"the checks take the class of a regularizer, such as Dropout, got {shortened(repr(leaf))}")
    if leaf.__name__ not in Regularizer.registry:
        raise InputError(f"{leaf.__name__} is the base of a place; the checks take a regularizer made of it")
    return (*numerical_checks(leaf), *CARD_CHECKS)


def expectation(check: Check) -> str:
    """Return the first sentence of a check's docstring, which states what it expects."""
    return (inspect.getdoc(check) or "").splitlines()[0]


def describe_failure(error: Exception) -> str:
    """Describe a check's failure: its finding, or the error that stopped it."""
    text = " ".join(str(error).split())
    return f"Found: {text}" if isinstance(error, AssertionError) else f"It ran into {type(error).__name__}: {text}"
