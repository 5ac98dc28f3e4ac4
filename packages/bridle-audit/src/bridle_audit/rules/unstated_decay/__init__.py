"""The optimizer decays by the default of its class, which nobody has to have stated."""
