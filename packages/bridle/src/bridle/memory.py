"""The memory that is free, and a sentence for what would take more, before any of it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bridle.errors import InputError

__all__ = ["GIB", "check_available"]

GIB = 2**30
CGROUPS = (  # the limit of a container and what it has taken of it: version 2, version 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def free_bytes() -> int | None:
    """Bytes that this process may still take: what the machine has, or less where a limit is set; None if unknown."""
    return min(remaining_bytes(), default=None)


def remaining_bytes() -> Iterator[int]:
    """Yield the bytes that are left under each limit that the system tells of."""
    kib = proc_entries("/proc/meminfo").get("MemAvailable")
    if kib is not None:
        yield kib * 1024
    for limit, taken in CGROUPS:
        most, now = proc_number(limit), proc_number(taken)
        if most is not None and now is not None:
            yield max(0, most - now)
    yield from remaining_address_space()


def remaining_address_space() -> Iterator[int]:
    """Yield the bytes left of the address space, where that is limited (``ulimit -v``)."""
    try:
        import resource  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    taken = proc_entries("/proc/self/status").get("VmSize")
    if most != resource.RLIM_INFINITY and taken is not None:
        yield max(0, most - taken * 1024)


def proc_entries(path: str) -> dict[str, int]:
    """The lines ``name: number ...`` of one of the system's files; none where it is not there."""
    try:
        lines = Path(path).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    words = [line.replace(":", " ").split() for line in lines]
    return {word[0]: int(word[1]) for word in words if len(word) > 1 and word[1].isdecimal()}


def proc_number(path: str) -> int | None:
    """The one number of one of the system's files; None where it is not there, or is a word."""
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdecimal() else None


def check_available(what: str, needed: int, instead: str) -> None:
    """Raise ``ValueError`` where ``what`` would take more bytes than are free."""
    there = free_bytes()
    if there is not None and needed > there:
        raise InputError(
            f"{what} would take about {needed / GIB:,.1f} GiB of memory, and {there / GIB:,.1f} GiB are free; {instead}"
        )
