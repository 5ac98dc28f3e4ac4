"""A checkpoint to resume from leaves out the averaged model or the schedule."""
