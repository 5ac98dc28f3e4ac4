"""At the end of the training, the averaged weights are still in good part the first ones."""
