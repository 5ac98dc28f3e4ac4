"""Regularizers that change the weights directly."""
