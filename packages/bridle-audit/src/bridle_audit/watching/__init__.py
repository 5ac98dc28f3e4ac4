"""The record of a training loop, taken while it runs: plain data for the rules, and the hooks that fill it."""
