"""A batch norm learns the variance of inputs under dropout, and meets another one in evaluation."""
