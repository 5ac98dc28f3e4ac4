"""Both passes of SAM move the running statistics of batch norm."""
