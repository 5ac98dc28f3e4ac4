"""Labels are smoothed in the targets, and once more in the loss."""
