"""A weight that two layers share is penalized once for each of them."""
