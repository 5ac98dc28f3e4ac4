"""How far the audit of files can be trusted: what it finds in programs whose mistakes are marked.

    python benchmarks/audit_corpus.py                   the table, and every disagreement
    python benchmarks/audit_corpus.py --markdown        writes the table of docs/audit/trust.md

The programs of packages/bridle-audit/tests/corpus were written from the rules' descriptions, not from their code. A
mistake is marked
at the end of its line, ``# finds: rule-name``; ``# or finds: rule-name`` marks another line of the same mistake. A
finding is right if its lines include a marked one.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bridle_audit.findings import SEVERITIES, Finding
from bridle_audit.rules import RULES
from bridle_audit.run.files import audit_files
from record import new_console

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "packages/bridle-audit/tests/corpus"
PAGE = ROOT / "docs" / "audit" / "trust.md"
MARK = re.compile(r"# (or )?finds: ([a-z0-9-]+(?:, [a-z0-9-]+)*)")
BLOCK = re.compile(r"(<!-- made by `python benchmarks/audit_corpus.py --markdown` -->\n).*?(\n<!-- end -->)", re.DOTALL)
HEADINGS = ("rule", "severity", "mistakes", "found", "missed", "wrong", "precision", "recall")
# Notes that remark on a habit: most programs have it, so they are judged only where a program is about it.
HINTS = frozenset({"one-seed", "smoothed-validation-loss", "subgradient-l1", "unstated-decay"})

Line = tuple[int | None, int]  # a notebook's cell, and the line in it


@dataclass(frozen=True)
class Program:
    """One of the corpus: each rule that should find something in it, with the lines at which that is right."""

    path: Path
    mistakes: dict[str, frozenset[Line]]

    @property
    def is_correct(self) -> bool:
        """Whether there is nothing to find."""
        return not self.mistakes

    @classmethod
    def at(cls, path: Path) -> Program:
        """Read the marks of a file; ``ValueError`` where a rule's first mark in it is none or is given twice."""
        first: list[str] = []
        lines: dict[str, set[Line]] = {}
        for (cell, number), text in lines_of(path):
            for alternative, rules in MARK.findall(text):
                first += rules.split(", ") if not alternative else []
                for rule in rules.split(", "):
                    lines.setdefault(rule, set()).add((cell, number))
        if sorted(first) != sorted(lines):
            raise ValueError(
                f"{path.name}: each rule needs one mark without 'or', got {sorted(first)} of {sorted(lines)}"
            )
        return cls(path, {rule: frozenset(places) for rule, places in lines.items()})


def lines_of(path: Path) -> Iterator[tuple[Line, str]]:
    """The lines of a script, or of a notebook's code cells, with their places."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = (each for each in json.loads(text)["cells"] if each["cell_type"] == "code")
        for cell, each in enumerate(cells, start=1):
            yield from (((cell, number), line) for number, line in enumerate(each["source"], start=1))
    else:
        yield from (((None, number), line) for number, line in enumerate(text.splitlines(), start=1))


def corpus() -> list[Program]:
    """All programs, by name."""
    return [Program.at(path) for path in sorted(CORPUS.iterdir()) if path.suffix in (".py", ".ipynb")]


@dataclass(frozen=True)
class Outcome:
    """What one rule made of one program."""

    program: Program
    rule: str
    right: tuple[Finding, ...]  # at a marked line
    wrong: tuple[Finding, ...]

    @property
    def missed(self) -> bool:
        """Whether there is a mistake, and none of the findings is at it."""
        return self.rule in self.program.mistakes and not self.right


def outcomes(programs: Sequence[Program]) -> list[Outcome]:
    """Every rule on every program. ``ValueError`` where a program could not be read, or a rule failed on it."""
    return [outcome for program in programs for outcome in outcomes_of(program)]


def outcomes_of(program: Program) -> Iterator[Outcome]:
    """What each rule made of a program; the rules that see a mistake which nobody marked among them."""
    audit = audit_files([program.path])
    if audit.remarks:
        raise ValueError(f"not all was looked at: {', '.join(map(str, audit.remarks))}")
    found: dict[str, list[Finding]] = {rule: [] for rule in read_rules()}
    for each in audit.findings:
        found[each.rule].append(each)
    for rule, findings in found.items():
        right = tuple(each for each in findings if hits(each, program.mistakes.get(rule, frozenset())))
        judged = rule in program.mistakes or rule not in HINTS
        yield Outcome(program, rule, right, tuple(each for each in findings if judged and each not in right))


def hits(finding: Finding, lines: frozenset[Line]) -> bool:
    """Whether a finding's lines include one of those marked."""
    location = finding.location
    if location is None:
        return False
    return any(cell == location.cell and location.line <= line <= location.end_line for cell, line in lines)


def read_rules() -> list[str]:
    """The rules that look at files, the most severe first."""
    rules = [each for each in RULES.values() if "static" in each.checks]
    return [each.name for each in sorted(rules, key=lambda each: (-SEVERITIES.index(each.severity), each.name))]


@dataclass(frozen=True)
class Score:
    """How often a rule was right."""

    mistakes: int  # marked for it
    found: int
    wrong: int  # findings where nothing is marked

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Score:
        """Add up what became of marks and findings."""
        mistakes = sum(each.rule in each.program.mistakes for each in outcomes)
        return cls(mistakes, sum(bool(each.right) for each in outcomes), sum(len(each.wrong) for each in outcomes))

    @property
    def precision(self) -> float | None:
        """The share of what it says that is right; None where it says nothing."""
        return self.found / (self.found + self.wrong) if self.found + self.wrong else None

    @property
    def recall(self) -> float | None:
        """The share of the mistakes that it finds; None where there is none."""
        return self.found / self.mistakes if self.mistakes else None

    def cells(self) -> list[str]:
        """As a table shows it."""
        shares = ["–" if each is None else f"{each:.0%}" for each in (self.precision, self.recall)]
        return [*map(str, (self.mistakes, self.found, self.mistakes - self.found, self.wrong)), *shares]


def rows(every: Sequence[Outcome]) -> list[list[str]]:
    """A row for each rule, and one for all of them together."""
    each = {rule: Score.of([one for one in every if one.rule == rule]) for rule in read_rules()}
    body = [[rule, RULES[rule].severity, *score.cells()] for rule, score in each.items()]
    return [*body, ["all", "", *Score.of(every).cells()]]


def markdown(every: Sequence[Outcome]) -> str:
    """The table of the page, and what it is of."""
    programs = {each.program.path: each.program for each in every}.values()
    correct = sum(each.is_correct for each in programs)
    first = f"{len(programs)} programs, {correct} of them correct; {len(read_rules())} rules that look at files."
    body = [[f"[`{rule}`](rules/{rule}.md)" if rule in RULES else rule, *rest] for rule, *rest in rows(every)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADINGS, ["---"] * 2 + ["---:"] * 6, *body))
    return f"{first}\n\n{table}"


def page_with(text: str, every: Sequence[Outcome]) -> str:
    """The page with its table made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{markdown(every)}\n{found[2]}", text)


def disagreements(every: Sequence[Outcome]) -> Iterator[str]:
    """What is missed, and what is found where nothing is marked; one line each."""
    for each in every:
        if each.missed:
            marked = sorted(line for _, line in each.program.mistakes[each.rule])
            yield f"missed {each.rule}: {each.program.path.name}:{','.join(map(str, marked))}"
        for finding in each.wrong:
            yield f"wrong  {each.rule}: {finding.location}: {finding.message}"


def show(every: Sequence[Outcome], console: Console) -> None:
    """The table, and below it where marks and findings disagree."""
    table = Table(title=f"the audit on {len({each.program.path for each in every})} programs")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in HEADINGS[:2] else "right")
    for cells in rows(every):
        table.add_row(*cells)
    console.print(table)
    for line in disagreements(every):
        console.print(line, highlight=False, soft_wrap=True)


def main() -> None:
    """Print, or write the page."""
    parser = argparse.ArgumentParser(description="Score the audit of files against programs with marked mistakes.")
    parser.add_argument("--markdown", action="store_true", help="write the table of docs/audit/trust.md")
    every = outcomes(corpus())
    if parser.parse_args().markdown:
        PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), every), encoding="utf-8")
    else:
        show(every, new_console())


if __name__ == "__main__":
    main()
