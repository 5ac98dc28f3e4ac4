"""What an expression is worth where that can be told without running anything."""
