"""Where values come from and where they go: what is penalized, averaged, smoothed and counted on the way."""
