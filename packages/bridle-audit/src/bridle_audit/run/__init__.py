"""What runs the rules: on files, on models and what factories make, on loops, on what the command line names."""
