"""Weight decay goes into a gradient that the optimizer rescales, so its strength hardly counts."""
