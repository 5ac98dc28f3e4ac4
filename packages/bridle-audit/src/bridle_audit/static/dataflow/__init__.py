"""What a program means beyond its syntax: where values come from, what is penalized, averaged, smoothed, counted."""
