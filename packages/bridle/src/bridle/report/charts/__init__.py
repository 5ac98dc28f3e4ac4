"""The charts of a report, a file for each kind; ``figure`` has what all of them are made of."""
