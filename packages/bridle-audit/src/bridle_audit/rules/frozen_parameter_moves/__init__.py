"""A parameter with ``requires_grad=False`` is moved by the optimizer all the same."""
