"""The decay is smaller than the last digit of the numbers it is applied to: nothing happens."""
