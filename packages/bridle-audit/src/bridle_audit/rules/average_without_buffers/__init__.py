"""A moving average of the weights goes with batch norm statistics that are not averaged."""
