"""The optimizer goes on while the model is in evaluation mode: dropout and batch norm are switched off."""
