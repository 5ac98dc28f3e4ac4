"""The validation loss is computed with smoothed labels."""
