"""What watches a loop: hooks that count, and as few of them as there can be."""
