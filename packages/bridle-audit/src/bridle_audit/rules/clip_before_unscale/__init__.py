"""Gradients are clipped while they are still multiplied by the scaler of mixed precision."""
