"""Dataflow: the definitions and uses of values, and the penalties, averages and label smoothing found along them."""
