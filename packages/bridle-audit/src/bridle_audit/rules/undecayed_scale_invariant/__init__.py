"""Undecayed scale invariant."""
