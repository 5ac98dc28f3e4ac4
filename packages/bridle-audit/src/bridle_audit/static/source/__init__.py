"""A file's text as a tree: scripts, notebooks with IPython's own syntax, and comments that allow a finding."""
