"""Rows are mixed with their neighbours in batches that are not shuffled."""
