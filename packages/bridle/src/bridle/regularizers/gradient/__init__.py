"""Regularizers that change the gradient, or where it is taken."""
