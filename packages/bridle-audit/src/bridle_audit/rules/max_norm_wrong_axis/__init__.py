"""A max-norm is taken over the wrong axis: it bounds what leaves an input, not what enters a unit."""
