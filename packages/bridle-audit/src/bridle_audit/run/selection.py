"""Which rules look: all but those that are allowed to be broken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridle_audit.rule import Rule
from bridle_audit.rules import RULES
from bridle_audit.wording import nearest


def allowed(rules: Iterable[Rule], allow: Sequence[str]) -> list[Rule]:
    """The rules without those that are allowed to be broken."""
    names = [allow] if isinstance(allow, str) else list(allow)
    for name in names:
        if name not in RULES:
            raise ValueError(f"allow: there is no rule {name!r}{nearest(name, list(RULES))}")
    return [each for each in rules if each.name not in names]
