"""The averaged weights are updated at another time than once behind each step of the optimizer."""
