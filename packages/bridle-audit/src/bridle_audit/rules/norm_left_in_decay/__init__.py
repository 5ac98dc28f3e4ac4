"""A list of exceptions from decay has missed some: norms or biases are in the group that decays."""
