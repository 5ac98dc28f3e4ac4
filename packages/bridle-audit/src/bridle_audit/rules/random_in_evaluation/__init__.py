"""The model gives something else for the same batch each time, in evaluation mode."""
