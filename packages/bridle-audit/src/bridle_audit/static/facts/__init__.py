"""Facts from syntax: calls, optimizers, training and evaluation loops, modules."""
