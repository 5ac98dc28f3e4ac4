"""Plain dropout behind a SELU undoes what a SELU is for: variance 1 from layer to layer."""
