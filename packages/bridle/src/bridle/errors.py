"""The errors that a user can mend: their message is a sentence, and they are no fault of the library."""

from bridle_audit.errors import BridleError, DependencyError, InputError, StateError

__all__ = ["BridleError", "DependencyError", "InputError", "StateError"]
