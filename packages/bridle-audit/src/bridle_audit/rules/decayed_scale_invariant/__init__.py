"""Weights in front of a norm decay, which changes the learning rate and not what the network can do."""
