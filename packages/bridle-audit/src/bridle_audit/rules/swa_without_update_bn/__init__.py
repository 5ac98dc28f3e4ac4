"""Weights were averaged, but the batch norms still hold the statistics of the last weights."""
