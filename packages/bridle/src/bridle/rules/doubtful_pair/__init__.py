"""Two regularizers of the recipe get in each other's way."""
