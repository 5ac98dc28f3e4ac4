"""The groups for decay and for no decay are the wrong way round, or the one that decays is empty."""
