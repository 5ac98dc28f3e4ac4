"""What a call, a class or a loop says of itself: optimizers, training and evaluation loops, modules."""
