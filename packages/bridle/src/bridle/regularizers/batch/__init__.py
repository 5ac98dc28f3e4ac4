"""Regularizers that change what the network is shown."""
