"""Label smoothing leaves less than half of what the labels say."""
