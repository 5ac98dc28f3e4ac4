"""The rules of the audit that look at recipes and studies, and the checks that are added to others."""
