"""The penalty is all there is to the loss, or nothing to speak of."""
