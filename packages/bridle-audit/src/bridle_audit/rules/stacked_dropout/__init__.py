"""Two dropouts stand in a row, and their rates compound."""
