"""Regularizers that make a second set of weights, or several, out of those that training passes through."""
