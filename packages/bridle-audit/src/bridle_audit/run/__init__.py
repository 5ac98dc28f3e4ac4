"""Runs the rules: on files, models, factories, loops, and the targets of the command line."""
