"""Ways to regularize are compared under one seed."""
