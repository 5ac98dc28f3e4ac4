"""Drop-path stands where there is no way around it: rows that it drops lose everything."""
