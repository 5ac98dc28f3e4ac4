"""Probabilities go into a loss that takes a softmax or a sigmoid of its own."""
