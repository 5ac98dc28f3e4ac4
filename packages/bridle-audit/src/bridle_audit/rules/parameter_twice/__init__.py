"""One parameter is twice in the optimizer, so each step changes it twice."""
