"""Some outputs are the same for every row, and no weight that is trained can change that."""
