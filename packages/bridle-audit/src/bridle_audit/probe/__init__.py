"""What is measured on a copy of a model, its optimizer and its loss: ``setup`` has everything that rules ask for."""
