"""Regularizers that end the training early and keep its best weights."""
