"""Penalties made in a loop all penalize the last layer, as they look the loop's variable up when they are called."""
