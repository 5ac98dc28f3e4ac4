"""What makes weights smaller: an optimizer's decay, measured; the ledger; what a strength is called elsewhere."""
