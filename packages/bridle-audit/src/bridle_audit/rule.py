"""A rule: one folder, which says what it finds and why that hurts, shows both in code, and holds its checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources.abc import Traversable
from typing import Any, Self

from bridle_audit.errors import InputError
from bridle_audit.findings import SEVERITIES, Finding, RulePage

__all__ = ["SUBJECTS", "Rule", "checks_in", "kinds", "modules_of"]

# Note [kinds of evidence]
# A rule looks at a mistake from one or several sides; each file of such a name in its folder has a function
# `check(evidence)`, which yields findings: all but its severity and its rule's name are the check's own.
#   static.py   a script or notebook, as syntax; never run                 (static.Program)
#   probe.py    a model, optimizer, loss and batch: measured on a copy     (probe.setup.Setup)
#   watch.py    what was seen while a loop ran                             (watching.record.Record)
# Other packages bring more of them, with what they are (run.subjects): bridle has recipe.py and study.py.
KINDS = ("probe", "watch", "static")
SUBJECTS = "bridle_audit.subjects"  # the entry points that name the others

HEADINGS = ("What it finds", "Why it hurts", "References")
PAGE = re.compile(r"---\nseverity: (\S+)\n---\n\n# (\S+)\n\n(.+?)\n\n## (.*)", re.DOTALL)

Check = Callable[[Any], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """A rule: its page, and its checks by the kind of evidence that they look at."""

    name: str  # in kebab-case: its folder's
    severity: str  # of its findings, where a finding does not say its own
    page: RulePage
    checks: Mapping[str, Check]
    package: str = ""  # its folder's name, as it is imported

    @classmethod
    def read(cls, folder: Traversable, package: str) -> Self:
        """The rule in a folder, which is importable as ``package``; ``ValueError`` where it lacks a part."""
        page = read_page(folder)
        checks = checks_in(folder, package)
        if not checks:
            raise InputError(f"rule {page.name}: its folder has no check; one of {', '.join(kinds())} with .py behind")
        return cls(page.name, page.severity, page, checks, package)

    def with_checks(self, more: Mapping[str, Check]) -> Self:
        """Return the rule with checks of more kinds of evidence; ``ValueError`` for a kind that it has already."""
        if again := sorted(set(self.checks) & set(more)):
            raise InputError(f"rule {self.name} has {again[0]}.py already: a folder without page.md adds other kinds")
        return replace(self, checks=Checks({**modules_of(self.checks), **modules_of(more)}))

    def find(self, kind: str, evidence: object) -> Iterator[Finding]:
        """The findings of one kind of check; nothing where the rule has none of that kind."""
        check = self.checks.get(kind)
        for each in check(evidence) if check else ():
            yield replace(each, rule=self.name, severity=each.severity or self.severity)


class Checks(Mapping[str, Check]):
    """A rule's checks, each imported when it is asked for: who reads files has no torch."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self.modules = modules  # by kind of evidence

    def __getitem__(self, kind: str) -> Check:
        module = self.modules[kind]
        try:
            found: Check = import_module(module).check
        except Exception as error:  # whatever somebody else's module raises when it is imported
            raise InputError(
                f"{module} cannot be used as a check ({type(error).__name__}: {error}); mend it, or ignore its rule"
            ) from error
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)


def modules_of(checks: Mapping[str, Check]) -> Mapping[str, str]:
    """The modules that checks are imported from."""
    return checks.modules if isinstance(checks, Checks) else {kind: each.__module__ for kind, each in checks.items()}


@cache
def kinds() -> tuple[str, ...]:
    """The kinds of evidence: ours, and those that other packages bring."""
    return (*KINDS, *sorted({each.name for each in entry_points(group=SUBJECTS)}))


def checks_in(folder: Traversable, package: str) -> Checks:
    """The checks of a rule's folder by kind, not yet imported."""
    return Checks({kind: f"{package}.{kind}" for kind in kinds() if (folder / f"{kind}.py").is_file()})


def read_page(folder: Traversable) -> RulePage:
    """The page of a rule, with its two programs; ``ValueError`` where one of its parts is missing."""
    name = folder.name.replace("_", "-")
    found = PAGE.fullmatch(text_of(folder, "page.md"))
    if found is None or found[2] != name:
        raise InputError(f"rule {name}: page.md begins with ---, severity: ..., ---, # {name}, and a sentence")
    severity, _, summary, rest = found.groups()
    sections = [part.partition("\n") for part in re.split(r"\n## ", rest)]
    if tuple(heading for heading, _, _ in sections) != HEADINGS:
        raise InputError(f"rule {name}: the headings of page.md must be {', '.join(HEADINGS)}")
    if severity not in SEVERITIES:
        raise InputError(f"rule {name}: severity must be one of {', '.join(SEVERITIES)}, got {severity!r}")
    what, why, references = (text.strip() for _, _, text in sections)
    bad, good = (text_of(folder, file).rstrip("\n") for file in ("bad.py", "good.py"))
    listed = "\n".join(line.removeprefix("- ") for line in references.splitlines())
    return RulePage(name, severity, " ".join(summary.split()), what, why, bad, good, listed)


def text_of(folder: Traversable, name: str) -> str:
    """The text of a file of a rule; ``ValueError`` where it is missing."""
    file = folder / name
    if not file.is_file():
        raise InputError(f"rule {folder.name.replace('_', '-')}: its folder has no {name}")
    return file.read_text(encoding="utf-8")
