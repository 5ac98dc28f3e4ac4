"""A recipe is so strong that the network does not learn the training rows any more."""
