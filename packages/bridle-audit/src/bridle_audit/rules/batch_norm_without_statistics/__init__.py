"""A batch norm keeps no running statistics: what the model says of a row depends on the rows beside it."""
