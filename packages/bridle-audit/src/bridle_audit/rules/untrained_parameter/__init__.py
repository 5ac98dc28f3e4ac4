"""Parameters that the loss would change are not in the optimizer: they stay as they were made."""
