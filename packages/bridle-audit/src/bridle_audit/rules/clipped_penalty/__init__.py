"""The gradient that is clipped contains the penalty's, so the penalty is clipped with it."""
