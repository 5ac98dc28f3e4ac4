"""Checking of files by the rules, one file or many."""

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

__all__ = ["CheckedFile", "check_file", "check_files"]

RemarkHandler = Callable[[Remark], None]
OURS = ("bridle_audit", "bridle")  # the packages whose checks are bridle's own
FILES_PER_COLLECTION = 50  # of garbage


@dataclass(frozen=True)
class CheckedFile:
    """The findings in a file, and remarks on parts that were not checked."""

    findings: tuple[Finding, ...]
    remarks: tuple[Remark, ...]
    is_read: bool


def check_files(paths: Iterable[Path], rules: Iterable[Rule]) -> Iterator[CheckedFile]:
    """Check files, one after the other."""
    asked = list(rules)
    with infrequent_gc() as collect:
        for path in paths:
            yield check_file(path, asked)
            collect()


def check_file(path: Path, rules: Iterable[Rule]) -> CheckedFile:
    """Check a file; one that cannot be read gets a remark."""
    remarks: list[Remark] = []
    try:
        program = read_file(path)
    except Unreadable as error:
        return CheckedFile((), (Remark(str(path), str(error).removeprefix(f"{path}: ")),), is_read=False)
    remarks += [Remark(str(path), each) for each in program.remarks]
    found = tuple(check_program(program, rules, remarks.append))
    return CheckedFile(found, tuple(remarks), is_read=True)


@contextmanager
def infrequent_gc() -> Iterator[Callable[[], None]]:
    """Collect garbage only once in some files, and not among the objects that there were before the block.

    A syntax tree is a great many objects at once, each of which is in use: left to itself, Python looks through all of
    them again and again, which takes half of the time.
    """
    was_on, files = gc.isenabled(), count(1)

    def collect() -> None:
        if next(files) % FILES_PER_COLLECTION == 0:
            gc.collect()

    gc.disable()
    gc.freeze()
    try:
        yield collect
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


def check_program(program: Program, rules: Iterable[Rule], add_remark: RemarkHandler) -> Iterator[Finding]:
    """Yield the findings in a program that no comment in the file allows, equal ones once."""
    found: list[Finding] = []
    failed: dict[str, list[str]] = {}
    for rule in rules if program.is_relevant else ():
        try:
            found += rule.find("static", program)
        except Exception as error:  # a rule that fails on one file must not keep the rest from being looked at
            failed.setdefault(fault(rule, error), []).append(rule.name)
    for reason, names in failed.items():
        add_remark(Remark(program.file, f"{', '.join(names)} failed on it, {reason}"))
    for number, each in enumerate(found):
        permitted = each.location is not None and program.allows(each.rule, each.location)
        if not permitted and each not in found[:number]:
            yield each


def fault(rule: Rule, error: Exception) -> str:
    """Return the owner of the check that raised, bridle or another package's module, and the error, as a phrase."""
    module = modules_of(rule.checks)["static"]
    owner = "bridle's" if module.partition(".")[0] in OURS else module
    frame = traceback.extract_tb(error.__traceback__)[-1]
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return f"a fault of {owner} ({reason}; {Path(frame.filename).name}, line {frame.lineno})"
