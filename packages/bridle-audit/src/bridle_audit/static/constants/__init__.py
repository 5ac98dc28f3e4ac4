"""Constant evaluation: the values of expressions, without running anything."""
