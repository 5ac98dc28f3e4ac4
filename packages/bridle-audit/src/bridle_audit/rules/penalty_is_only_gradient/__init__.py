"""For some parameters the penalty is the only gradient, and under Adam its strength then does not count."""
