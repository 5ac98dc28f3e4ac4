"""Over the whole schedule the decay comes to next to nothing, or to everything."""
