"""Ids of words or categories are mixed, scaled or given noise as if they were amounts."""
