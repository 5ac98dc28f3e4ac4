"""A regularizer of the recipe stands at the value at which it does nothing."""
