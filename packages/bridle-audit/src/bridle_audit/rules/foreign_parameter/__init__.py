"""The optimizer holds parameters that are not the model's any more, while the model's own go without."""
