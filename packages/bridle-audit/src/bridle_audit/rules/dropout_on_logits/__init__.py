"""Dropout falls on the outputs that the loss is computed from."""
