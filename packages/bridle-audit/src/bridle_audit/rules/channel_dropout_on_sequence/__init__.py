"""A channel dropout drops whole steps of a sequence, as the channels are not where it looks for them."""
