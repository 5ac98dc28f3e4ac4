"""The loss is a sum over the batch, so that the strength of the regularizer depends on the batch size."""
