"""A check that bridle adds to a rule of the audit."""
