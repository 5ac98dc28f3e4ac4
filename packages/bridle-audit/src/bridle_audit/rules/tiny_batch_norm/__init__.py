"""Batch norm takes its statistics from one or two rows."""
