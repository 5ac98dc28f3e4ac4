"""The errors that a user can mend: their message is a sentence, and they are no fault of the library."""

from __future__ import annotations

__all__ = ["BridleError", "DependencyError", "InputError", "StateError"]


class BridleError(Exception):
    """The base of all errors that a user can mend: the message says what was given, what is expected, what to do.

    The command line prints it as a sentence. Any other error is a fault of the library and keeps its traceback.
    """


class InputError(BridleError, ValueError):
    """A value, a setting or a file that cannot be used."""


class StateError(BridleError, RuntimeError):
    """A call at a time, or in an order, in which it cannot do what it says."""


class DependencyError(BridleError, ImportError):
    """A library that is not installed, with the command that installs it."""
