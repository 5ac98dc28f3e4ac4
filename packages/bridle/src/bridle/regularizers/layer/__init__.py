"""Regularizers that act on activations, inside the network."""
