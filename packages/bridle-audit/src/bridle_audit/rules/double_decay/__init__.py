"""Weights that are shrunk twice: by a penalty in the loss and by the optimizer's weight decay."""
