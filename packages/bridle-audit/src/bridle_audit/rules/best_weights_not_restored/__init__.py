"""Training stops early and keeps the last weights, not the best ones."""
