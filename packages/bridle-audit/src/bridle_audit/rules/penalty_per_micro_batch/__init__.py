"""The loss is divided by the number of micro-batches, and the penalty beside it is not."""
