"""Shared by the checks of this rule."""

from __future__ import annotations

CURE = "bridle.compare(data, recipes, seeds=5)"
