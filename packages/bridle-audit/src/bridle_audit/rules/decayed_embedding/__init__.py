"""An embedding decays in every row, also in those of words that the batch does not contain."""
