"""The penalty has lost its gradient: it is added to the loss and moves nothing."""
