"""Measurements on a copy of a model, its optimizer and its loss; ``setup`` has all that rules ask for."""
