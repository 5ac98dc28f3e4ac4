"""Weight decay on an embedding with sparse gradients: the optimizer refuses it, or does not do it."""
