"""A rule: one file, which says what it finds and why that hurts, shows both in code, and holds its checks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Self

from bridle.card import Card
from bridle_audit.findings import SEVERITIES, Finding

SECTIONS = ("What it finds", "Why it hurts", "Example", "Use instead", "References")

# Note [kinds of check]
# A rule looks at a mistake from one or several sides; a function of that name in its file is a check:
#   probe(setup)     a model, optimizer, loss and batch: measured on a copy        (setup.Setup)
#   watched(record)  what was seen while a loop ran                                (record.Record)
#   read(program)    a script or notebook, as syntax; never run                    (reading.Program)
#   recipe(recipe)   a recipe, before training                                     (bridle.recipe.Recipe)
#   study(study)     a finished comparison                                         (bridle.results.Study)
# Each yields findings; all but its severity and its rule's name are the check's own.
KINDS = ("probe", "watched", "read", "recipe", "study")

Check = Callable[[Any], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """What there is to know of a rule, from its module."""

    name: str  # in kebab-case: its file's
    severity: str  # of its findings, where a finding does not say its own
    page: Card
    checks: Mapping[str, Check]  # by kind

    @classmethod
    def of(cls, module: ModuleType) -> Self:
        """The rule that a module is; ``ValueError`` where it lacks a part."""
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        page = Card.read(inspect.getdoc(module) or "")
        checks = {kind: vars(module)[kind] for kind in KINDS if kind in vars(module)}
        if page.headings != SECTIONS or not checks:
            raise ValueError(f"rule {name}: the docstring needs the sections {SECTIONS}, the file a check of {KINDS}")
        if module.SEVERITY not in SEVERITIES:
            raise ValueError(f"rule {name}: SEVERITY must be one of {SEVERITIES}, got {module.SEVERITY!r}")
        return cls(name, module.SEVERITY, page, checks)

    def find(self, kind: str, subject: Any) -> Iterator[Finding]:
        """The findings of one kind of check; nothing where the rule has none of that kind."""
        check = self.checks.get(kind)
        for each in check(subject) if check else ():
            yield replace(each, rule=self.name, severity=each.severity or self.severity)
