"""The model is validated in training mode: dropout draws noise, and batch norm learns from the validation data."""
