"""``audit_files``: the rules that read, on scripts and notebooks, which are never run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bridle_audit.errors import InputError
from bridle_audit.findings import FileAudit, Finding, Findings, Remark, RulePage
from bridle_audit.rule import Rule
from bridle_audit.run.check import check_files
from bridle_audit.run.processes import check_in_processes, process_count
from bridle_audit.run.selection import path_excluder, select_rules
from bridle_audit.static import find_files

__all__ = ["audit_files", "rule_pages"]


def audit_files(
    paths: Iterable[Path | str],
    allow: Sequence[str] = (),
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    jobs: int = 1,
) -> FileAudit:
    """Find regularization mistakes in Python files and notebooks, and in all of those below folders.

    A file that cannot be read gives a remark, and the rest goes on. A comment ``# bridle: allow[rule]`` in a file is
    heeded.

    Args:
        paths: files and folders.
        allow: names of rules that are not checked.
        select: names of the only rules to check; empty: all.
        exclude: names, paths or patterns of files and folders that are not read (:func:`~.selection.path_excluder`).
        jobs: how many processes read; 0: one for each core where there are many files. What is found is the same. A
            script that asks for several needs the guard ``if __name__ == "__main__":``.

    Raises ``ValueError`` for a path where there is nothing, for a name that is no rule's, and for ``jobs`` below 0.
    """
    if jobs < 0:
        raise InputError(f"jobs must be how many processes (1 or more), or 0 for all cores, got {jobs}")
    rules = [each for each in select_rules(allow, select) if "static" in each.checks]
    files = list(dict.fromkeys(find_files(existing_paths(paths), path_excluder(exclude))))
    number = process_count(jobs, len(files))
    checked = check_files(files, rules) if number == 1 else check_in_processes(files, rules, number)
    findings: list[Finding] = []
    remarks: list[Remark] = []
    read: list[str] = []
    for path, each in zip(files, checked, strict=True):
        findings += each.findings
        remarks += each.remarks
        if each.is_read:
            read.append(str(path))
    return FileAudit(Findings.of(findings), tuple(remarks), tuple(read), rules=rule_pages(rules))


def existing_paths(paths: Iterable[Path | str]) -> list[Path]:
    """Return the paths; ``InputError`` for one that does not exist."""
    found = [Path(each) for each in ([paths] if isinstance(paths, Path | str) else paths)]
    for each in found:
        if not each.exists():
            raise InputError(f"there is no file or folder {each}")
    return found


def rule_pages(rules: Iterable[Rule]) -> tuple[RulePage, ...]:
    """Return the rules' pages, each with the kinds of evidence that the rule checks."""
    return tuple(replace(each.page, kinds=tuple(each.checks)) for each in rules)
