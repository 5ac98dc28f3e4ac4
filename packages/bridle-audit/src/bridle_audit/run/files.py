"""``audit_files``: every rule on scripts and notebooks, which are read and never run."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from bridle_audit.findings import FileAudit, Finding, Findings, Remark, RulePage
from bridle_audit.rule import Rule
from bridle_audit.rules import RULES
from bridle_audit.run.selection import allowed
from bridle_audit.static import Program, Unreadable, find_files, read_file

Tell = Callable[[Remark], None]
FILES_BETWEEN = 50  # two looks for garbage


def audit_files(paths: Iterable[Path | str], allow: Sequence[str] = ()) -> FileAudit:
    """Find the mistakes that show in Python files and notebooks; of folders, in all that are below them.

    A file that cannot be read gives a remark, and the rest goes on. A comment ``# bridle: allow[rule]`` in a file is
    heeded; ``allow`` names rules that are not to be looked at anywhere.

    Raises ``ValueError`` for a path where there is nothing, and for a name in ``allow`` that is no rule's.
    """
    rules = [each for each in allowed(RULES.values(), allow) if "static" in each.checks]
    findings: list[Finding] = []
    remarks: list[Remark] = []
    files: list[str] = []
    with collected_seldom() as done:
        for path in dict.fromkeys(find_files(existing(paths))):
            program = read(path, remarks.append)
            if program is not None:
                files.append(str(path))
                findings += findings_of(program, rules, remarks.append)
            done()
    return FileAudit(Findings.of(findings), tuple(remarks), tuple(files), rules=pages_of(rules))


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


def existing(paths: Iterable[Path | str]) -> list[Path]:
    """The paths; ``ValueError`` for one that leads nowhere."""
    found = [Path(each) for each in ([paths] if isinstance(paths, Path | str) else paths)]
    for each in found:
        if not each.exists():
            raise ValueError(f"there is no file or folder {each}")
    return found


def read(path: Path, tell: Tell) -> Program | None:
    """A file as syntax; None, and the reason is told, where that is impossible."""
    try:
        program = read_file(path)
    except Unreadable as error:
        tell(Remark(str(path), str(error).removeprefix(f"{path}: ")))
        return None
    for each in program.remarks:
        tell(Remark(str(path), each))
    return program


def findings_of(program: Program, rules: Iterable[Rule], tell: Tell) -> Iterator[Finding]:
    """What the rules find and no comment in the file allows; equal findings, which several ways lead to, once."""
    found: list[Finding] = []
    failed: dict[str, list[str]] = {}
    for rule in rules if program.is_relevant else ():
        try:
            found += rule.find("static", program)
        except Exception as error:  # a rule that fails on one file must not keep the rest from being looked at
            failed.setdefault(fault(error), []).append(rule.name)
    for said, names in failed.items():
        tell(Remark(program.file, f"{', '.join(names)} failed on it, a fault of bridle's ({said})"))
    for number, each in enumerate(found):
        permitted = each.place is not None and program.allows(each.rule, each.place)
        if not permitted and each not in found[:number]:
            yield each


def fault(error: Exception) -> str:
    """An error in one line, with where it was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{said}; {Path(frame.filename).name}, line {frame.lineno}"


def pages_of(rules: Iterable[Rule]) -> tuple[RulePage, ...]:
    """The rules' pages as plain data."""
    return tuple(each.page for each in rules)
