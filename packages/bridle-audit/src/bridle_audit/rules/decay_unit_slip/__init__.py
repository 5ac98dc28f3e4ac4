"""The strength of the decay looks like that of another library: it is a hundred times what anybody wants."""
