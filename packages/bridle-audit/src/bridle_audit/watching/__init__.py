"""What is seen of a training loop while it runs: the record that rules are given, and the hooks that fill it."""
