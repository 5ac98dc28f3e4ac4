"""The rules on one file, and on many, one after the other."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bridle_audit.findings import Finding, Remark
from bridle_audit.rule import Rule, modules_of
from bridle_audit.static import Program, Unreadable, read_file

Tell = Callable[[Remark], None]
OURS = ("bridle_audit", "bridle")  # the packages whose checks are bridle's own
FILES_BETWEEN = 50  # two looks for garbage


@dataclass(frozen=True)
class CheckedFile:
    """The findings in one file, and the reasons why parts of it were not looked at."""

    findings: tuple[Finding, ...]
    remarks: tuple[Remark, ...]
    is_read: bool


def check_files(paths: Iterable[Path], rules: Iterable[Rule]) -> Iterator[CheckedFile]:
    """Check one file after the other."""
    asked = list(rules)
    with collected_seldom() as done:
        for path in paths:
            yield check_file(path, asked)
            done()


def check_file(path: Path, rules: Iterable[Rule]) -> CheckedFile:
    """Check one file; one that cannot be read has a remark."""
    remarks: list[Remark] = []
    try:
        program = read_file(path)
    except Unreadable as error:
        return CheckedFile((), (Remark(str(path), str(error).removeprefix(f"{path}: ")),), is_read=False)
    remarks += [Remark(str(path), each) for each in program.remarks]
    found = tuple(findings_of(program, rules, remarks.append))
    return CheckedFile(found, tuple(remarks), is_read=True)


@contextmanager
def collected_seldom() -> Iterator[Callable[[], None]]:
    """Within, Python looks for garbage only every few files, and not among what was there before.

    A syntax tree is a great many objects at once, each of which is in use: left to itself, Python looks through all of
    them again and again, which takes half of the time.
    """
    was_on, files = gc.isenabled(), count(1)

    def done() -> None:
        if next(files) % FILES_BETWEEN == 0:
            gc.collect()

    gc.disable()
    gc.freeze()
    try:
        yield done
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


def findings_of(program: Program, rules: Iterable[Rule], tell: Tell) -> Iterator[Finding]:
    """Yields the findings that no comment in the file allows; equal ones, which several ways lead to, once."""
    found: list[Finding] = []
    failed: dict[str, list[str]] = {}
    for rule in rules if program.is_relevant else ():
        try:
            found += rule.find("static", program)
        except Exception as error:  # a rule that fails on one file must not keep the rest from being looked at
            failed.setdefault(fault(rule, error), []).append(rule.name)
    for reason, names in failed.items():
        tell(Remark(program.file, f"{', '.join(names)} failed on it, {reason}"))
    for number, each in enumerate(found):
        permitted = each.place is not None and program.allows(each.rule, each.place)
        if not permitted and each not in found[:number]:
            yield each


def fault(rule: Rule, error: Exception) -> str:
    """Return whose fault an error is, bridle's or that of the other package's module, and the error in one line."""
    module = modules_of(rule.checks)["static"]
    owner = "bridle's" if module.partition(".")[0] in OURS else module
    frame = traceback.extract_tb(error.__traceback__)[-1]
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return f"a fault of {owner} ({reason}; {Path(frame.filename).name}, line {frame.lineno})"
