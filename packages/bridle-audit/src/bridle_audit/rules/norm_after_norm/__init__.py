"""Norms that take the output of another norm."""
