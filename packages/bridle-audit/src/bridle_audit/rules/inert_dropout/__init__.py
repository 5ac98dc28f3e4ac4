"""Dropout that is in the model, and does not act while it trains."""
