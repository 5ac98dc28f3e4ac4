"""The gap between training and validation is taken from a loss or accuracy with dropout at work."""
