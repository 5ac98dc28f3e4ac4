"""A norm normalizes over a single value: what comes in makes no difference, or only its sign does."""
