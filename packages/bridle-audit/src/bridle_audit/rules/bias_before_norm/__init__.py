"""A bias stands in front of a norm that subtracts the mean: it never learns anything."""
