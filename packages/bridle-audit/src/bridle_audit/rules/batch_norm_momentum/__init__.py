"""The momentum of a batch norm is in another library's convention: it remembers next to nothing."""
