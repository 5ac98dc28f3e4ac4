"""The outputs that the loss takes for logits pass through a ReLU and cannot be negative."""
