"""Biases, scales of norms and other single numbers per unit decay with the weights."""
