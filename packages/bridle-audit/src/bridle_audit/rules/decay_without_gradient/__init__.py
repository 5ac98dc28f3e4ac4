"""Weights that no data reach are driven to zero, at full speed, by decay within an adaptive optimizer."""
