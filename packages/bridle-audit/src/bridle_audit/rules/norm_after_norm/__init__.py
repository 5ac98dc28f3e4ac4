"""What one norm has normalized, another normalizes again at once."""
