"""The root of the repository, for tests of what belongs to it as a whole: README, docs, examples, hooks."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
