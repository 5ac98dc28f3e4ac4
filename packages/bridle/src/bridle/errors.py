"""What a user can mend: the errors whose message is a sentence, and not a fault of the library."""

from bridle_audit.errors import BridleError, DependencyError, InputError, StateError

__all__ = ["BridleError", "DependencyError", "InputError", "StateError"]
