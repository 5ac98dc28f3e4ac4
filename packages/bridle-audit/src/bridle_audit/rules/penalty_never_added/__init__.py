"""A penalty is computed, and the loss that is trained on is another."""
