"""Names that a group has more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bridle_audit.findings import Finding
from bridle_audit.probe.setup import Setup
from bridle_audit.wording import first_names


def check(setup: Setup) -> Iterator[Finding]:
    """Yield a finding for parameters that a group contains more than once."""
    for group in setup.groups:
        times = {name: count for name, count in Counter(group.names).items() if count > 1}
        if times:
            yield Finding(
                str(group),
                f"{first_names(list(times))}: {len(times)} parameters are there up to {max(times.values())} times "
                "and take that "
                f"many updates, each at lr={group.lr:g}, in every step",
                "params = list(dict.fromkeys(params))  # each parameter once",
                {"parameters": len(times), "times": max(times.values())},
            )
