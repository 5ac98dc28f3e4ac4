"""Weight decay: what each optimizer does, measured; the decay ledger; strengths in the units of other libraries."""
