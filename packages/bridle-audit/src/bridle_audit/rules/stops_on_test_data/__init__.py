"""The epoch to keep, or to stop at, is chosen on the test data."""
