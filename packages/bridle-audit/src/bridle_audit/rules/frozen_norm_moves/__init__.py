"""The running statistics of a frozen batch norm go on moving."""
