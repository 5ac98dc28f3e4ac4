"""What the checks of this rule have in common."""

from __future__ import annotations

CURE = "bridle.compare(data, recipes, seeds=5)"
